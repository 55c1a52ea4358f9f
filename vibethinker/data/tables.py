"""Problems and samples as Parquet files: fixed schemas, so the same rows give the same bytes.

Problems have the column `turns` only where one of them has turns: files and digests of all others are as they were before
there was such a column.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vibethinker.records import Problem, Sample

_TEXT = pa.string()
_ROW_GROUP = 4096
_PROBLEMS = pa.schema(
    [(name, _TEXT) for name in ("id", "domain", "question", "verifier", "answer")]
    + [("tests", pa.list_(_TEXT)), ("form", _TEXT), ("entry_point", _TEXT), ("prelude", _TEXT)]
    + [("traces", pa.list_(_TEXT)), ("source", _TEXT)]
)
_TURNS = pa.field("turns", pa.list_(pa.list_(_TEXT)))
"""Of [role, text] each."""
_SAMPLES = pa.schema(
    [("problem_id", _TEXT), ("domain", _TEXT), ("sample", pa.int64()), ("response", _TEXT), ("tokens", pa.int64())]
    + [(name, _TEXT) for name in ("finish_reason", "status", "extracted", "reason")]
    + [("opinions", pa.map_(_TEXT, _TEXT))]
)


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Write problems in their order, one row each; `tests`, `traces` and `turns` become lists."""
    schema = _PROBLEMS.append(_TURNS) if any(problem.turns for problem in problems) else _PROBLEMS
    table = pa.Table.from_pylist([problem.model_dump() for problem in problems], schema=schema)
    pq.write_table(table, path, compression="zstd")


def read_problems(path: Path) -> list[Problem]:
    """Problems as written by `write_problems`, in their order."""
    rows = pq.read_table(path, schema=_PROBLEMS.append(_TURNS)).to_pylist()
    return [Problem.model_validate(row | {"turns": row["turns"] or ()}) for row in rows]


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples in their order, one row each; never more than a row group of them lies in memory."""
    with pq.ParquetWriter(path, _SAMPLES, compression="zstd") as writer:
        for rows in _chunks(samples, _ROW_GROUP):
            writer.write_table(pa.Table.from_pylist([row.model_dump() for row in rows], schema=_SAMPLES))


def read_samples(path: Path) -> pd.DataFrame:
    """One row per sample, columns as in `Sample`; a sample without `extracted` has a missing value there."""
    return pd.DataFrame(pq.read_table(path, schema=_SAMPLES).to_pandas())


def set_digest(problems: Sequence[Problem]) -> str:
    """sha256 (hex) of a set of problems, all fields included, whatever their order."""
    rows = (problem.model_dump(exclude=None if problem.turns else {"turns"}) for problem in problems)
    digests = sorted(hashlib.sha256(json.dumps(row, sort_keys=True).encode()).digest() for row in rows)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _chunks(rows: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk
