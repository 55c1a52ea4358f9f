"""Pass rates of problems, measured again and again: kept from stage to stage."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from vibethinker.runs.manifest import write_atomic

HISTORY = "history.parquet"
"""A stage's file: one row a problem and measurement, those of the stages before it first."""
PREFILTER = 0
"""The step of a measurement before the first update; updates count from 1."""
_SCHEMA = pa.schema(
    [
        ("stage", pa.string()),
        ("step", pa.int32()),
        ("problem", pa.string()),
        ("samples", pa.int32()),
        ("correct", pa.int32()),
    ]
)

Counts = Mapping[str, tuple[int, int]]
"""Problem -> (samples with a known verdict, correct ones)."""


class History:
    """One stage's measurements, a small file each, on top of those of the stages before it."""

    def __init__(self, folder: Path, stage: str, earlier: Path) -> None:
        """folder: of the files; earlier: the `HISTORY` of the stage before, which need not exist."""
        self._folder, self._stage = folder, stage
        self._earlier = pq.read_table(earlier, schema=_SCHEMA).to_pylist() if earlier.exists() else []
        self._steps: dict[int, Counts] = {}

    def add(self, step: int, counts: Counts) -> None:
        """Written once: a repeated step measured the same."""
        path = self._path(step)
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomic(path, orjson.dumps(counts))
        self._steps[step] = counts

    def rates(self, before: int) -> dict[str, float]:
        """Problem -> latest pass rate, from earlier stages and this one's steps below `before`."""
        found = {row["problem"]: row["correct"] / row["samples"] for row in self._earlier if row["samples"]}
        for step in range(before):
            found.update({problem: c / n for problem, (n, c) in self._counts(step).items() if n})
        return found

    def write(self, path: Path, steps: int) -> None:
        """Everything, up to step `steps`, as Parquet."""
        rows = [*self._earlier, *self._rows(steps)]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), path, compression="zstd")

    def _rows(self, steps: int) -> Iterator[dict[str, object]]:
        for step in range(PREFILTER, steps + 1):
            for problem, (n, c) in self._counts(step).items():
                yield {"stage": self._stage, "step": step, "problem": problem, "samples": n, "correct": c}

    def _counts(self, step: int) -> Counts:
        path = self._path(step)
        if step not in self._steps and path.exists():
            self._steps[step] = orjson.loads(path.read_bytes())
        return self._steps.get(step, {})

    def _path(self, step: int) -> Path:
        return self._folder / f"step-{step}.json"
