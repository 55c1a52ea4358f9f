"""traces.parquet: every response of every teacher, and what became of it."""

from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from vibethinker.distillation.traces import Trace

_TEXT = pa.string()
SCHEMA = pa.schema(
    {
        **dict.fromkeys(("teacher", "problem_id", "domain"), _TEXT),
        "sample": pa.int64(),
        "status": _TEXT,
        "kept": pa.bool_(),
        "reason": _TEXT,
        "response": _TEXT,
        "tokens": pa.int64(),
        "finish_reason": _TEXT,
        "potential": pa.float64(),
    }
)
_ROW_GROUP = 4096


class TraceFile:
    """A context manager; never more than a row group lies in memory."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def add(self, trace: Trace) -> None:
        """Appends one row."""
        self._rows.append({**asdict(trace), "kept": not trace.reason})
        if len(self._rows) == _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=SCHEMA))
        self._rows = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        self._writer.close()
