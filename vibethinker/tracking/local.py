"""The local record of a stage's attempt: one JSON line an event, written before any tracker or UI sees it (promise 5).

Every event has `t` (Unix seconds) and `kind`:

    {"kind": "params",    "values": {name: scalar}}
    {"kind": "metrics",   "step": int, "values": {name: float}}
    {"kind": "histogram", "name": str, "step": int, "edges": [b+1 floats], "counts": [b ints]}
    {"kind": "progress",  "label": str, "done": int, "total": int}
    {"kind": "note",      "text": str}
    {"kind": "samples",   "step": int, "rows": [{"question", "response", "status", "extracted",
                  and of MGPO "tokens", "finish_reason", "advantage"}]}
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import orjson


class Tracker(Protocol):
    """What a stage may say while it works."""

    def params(self, values: Mapping[str, object]) -> None:
        """Settings of this attempt."""
        ...

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """A point of each curve."""
        ...

    def histogram(self, name: str, step: int, edges: Sequence[float], counts: Sequence[int]) -> None:
        """A distribution at a step."""
        ...

    def progress(self, label: str, done: int, total: int) -> None:
        """How far the work is."""
        ...

    def note(self, text: str) -> None:
        """A line for people."""
        ...

    def samples(self, step: int, rows: Sequence[Mapping[str, object]]) -> None:
        """A few decoded responses with their verdicts."""
        ...


class LocalTracker:
    """Appends events to a JSONL file; each line is flushed whole."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")

    def _write(self, kind: str, **fields: object) -> None:
        line = orjson.dumps({"t": time.time(), "kind": kind, **fields}, option=orjson.OPT_SERIALIZE_NUMPY)
        self._file.write(line + b"\n")
        self._file.flush()

    def params(self, values: Mapping[str, object]) -> None:
        self._write("params", values=dict(values))

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._write("metrics", step=step, values={k: float(v) for k, v in values.items() if math.isfinite(v)})

    def histogram(self, name: str, step: int, edges: Sequence[float], counts: Sequence[int]) -> None:
        self._write("histogram", name=name, step=step, edges=list(edges), counts=list(counts))

    def progress(self, label: str, done: int, total: int) -> None:
        self._write("progress", label=label, done=done, total=total)

    def note(self, text: str) -> None:
        self._write("note", text=text)

    def samples(self, step: int, rows: Sequence[Mapping[str, object]]) -> None:
        self._write("samples", step=step, rows=[dict(r) for r in rows])

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class EventTail:
    """Follows a file that a `LocalTracker` in another process appends to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0

    def read(self) -> list[dict[str, Any]]:
        """Whole new lines since the last call; a half-written last line waits for the next."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        self.offset += whole
        return [orjson.loads(line) for line in data[:whole].split(b"\n") if line]


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """All whole events of a file, in order."""
    yield from EventTail(path).read()
