"""Rows of files and of hub data sets, one at a time, and what their cells hold. A bad row never stops the others."""

import csv
import gzip
import json
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vibethinker.data.identity import FORMS
from vibethinker.records import Role


class RowError(Exception):
    """Why a row can't be used."""

    def __init__(self, reason: str, cells: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.cells = cells or {}
        """What could be read of the row, so that it can be named."""


Row = dict[str, Any] | RowError
"""Cells by column, or why there are none."""

READ_ERRORS = (OSError, EOFError, zlib.error, csv.Error, ValueError, RecursionError, pa.ArrowException)
"""What `file_rows` raises for a file that can't be read as what its name says."""


def file_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Rows of a file whose name ends in one of FORMS, numbered from 1 (JSONL: the line). Raises READ_ERRORS."""
    readers = dict(zip(FORMS, (_jsonl, _jsonl, _json_array, _parquet, _csv), strict=True))
    name = path.name.lower()
    return next(readers[suffix] for suffix in FORMS if name.endswith(suffix))(path)


def hub_rows(name: str, config: str, split: str, revision: str) -> Iterator[tuple[int, Row]]:
    """Rows of a hub data set, numbered from 1. Raises whatever the hub's client raises."""
    from datasets import load_dataset  # here, since it takes seconds that local files need not pay

    rows = load_dataset(name, config or None, split=split, revision=revision or None)
    for number, row in enumerate(rows, start=1):
        yield number, _as_row(row)


def hub_file(name: str, file: str, revision: str) -> Path:
    """A file of a hub data set's repository, downloaded unless it is here. Raises whatever the hub's client raises."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(name, file, repo_type="dataset", revision=revision or None))


def _jsonl(path: Path) -> Iterator[tuple[int, Row]]:
    """Lines end at "\\n" only: U+2028 and its like are legal inside a JSON string."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, _json_row(line)


def _json_row(line: bytes) -> Row:
    try:
        return _as_row(json.loads(line.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        return RowError(f"invalid UTF-8: {error}")
    except (ValueError, RecursionError) as error:
        return RowError(f"invalid JSON: {error}")


def _json_array(path: Path) -> Iterator[tuple[int, Row]]:
    rows = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(rows, list):
        raise ValueError(f"a .json file must hold one array of objects, this one holds {kind(rows)}")
    for number, row in enumerate(rows, start=1):
        yield number, _as_row(row)


def _parquet(path: Path) -> Iterator[tuple[int, Row]]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1024):
            for position in range(batch.num_rows):
                number += 1
                try:
                    yield number, batch.slice(position, 1).to_pylist()[0]
                except UnicodeDecodeError as error:
                    yield number, RowError(f"invalid UTF-8: {error}")


def _csv(path: Path) -> Iterator[tuple[int, Row]]:
    """Comma-separated with a header line; cells in quotes may hold line breaks."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        for number, cells in enumerate((line for line in lines if line), start=1):
            row = dict(zip(header, cells, strict=False))
            short = len(cells) != len(header)
            yield number, RowError(f"it has {len(cells)} cells, the header {len(header)}", row) if short else row


def _as_row(row: object) -> Row:
    return row if isinstance(row, dict) else RowError(f"a row must be an object with columns, not {kind(row)}")


# --- cells --------------------------------------------------------------------------------------------------------


def cell(row: dict[str, Any], name: str) -> object:
    """A cell by its column, or by a dotted path into nested values: `reward_model.ground_truth`, `prompt.0.content`.

    Raises RowError where there is none.
    """
    if name in row:
        return row[name]
    value: object = row
    for part in name.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise RowError(f"no column {name!r}; the row has {', '.join(map(repr, row)) or 'none'}")
    return value


def text_cell(row: dict[str, Any], name: str) -> str:
    """A cell as stripped text; numbers become their text (a gold answer of 70 is `70`). Raises RowError."""
    value = cell(row, name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"column {name!r} must hold text or a number, not {kind(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise RowError(f"column {name!r} holds {value}, not a finite number")
    found = str(value).strip()
    if not found:
        raise RowError(f"column {name!r} is empty")
    encodable(found, name)
    return found


def encodable(value: str, name: str) -> None:
    """JSON can spell half of a surrogate pair, which no file or tokenizer takes. Raises RowError."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RowError(f"column {name!r} holds text that is not valid unicode: {error}") from error


def messages_cell(row: dict[str, Any], name: str) -> list[tuple[Role, str]]:
    """A cell as a conversation, (role, text) each: user and assistant in turn from the user on, a system prompt before them
    where there is one. Raises RowError for anything else."""
    value = cell(row, name)
    if not isinstance(value, list) or not value:
        raise RowError(f"column {name!r} must hold a list of messages, not {kind(value)}")
    messages: list[tuple[Role, str]] = []
    for number, message in enumerate(value):
        if not isinstance(message, dict):
            raise RowError(f"column {name!r}: a message must be an object with role and content, not {kind(message)}")
        role, awaited = message.get("role"), "assistant" if messages and messages[-1][0] == "user" else "user"
        if role != awaited and (role != "system" or messages):
            raise RowError(f"column {name!r}: message {number} has role {short(role)} where {awaited} is awaited")
        messages.append(
            (role, text_cell({f"{name}.{number}.content": message.get("content")}, f"{name}.{number}.content"))
        )
    if len(messages) == 1 and messages[0][0] == "system":
        raise RowError(f"column {name!r} holds a system prompt and no question")
    return messages


def answer_in(value: str, pattern: re.Pattern[str] | None) -> str:
    """The gold answer: the text itself, or what the pattern's last match in it holds. Raises RowError."""
    if pattern is None:
        return value
    found = last_match(pattern, value)
    if found is None:
        raise RowError(f"answer_pattern finds nothing in {short(value)}")
    if not found[1].strip():
        raise RowError(f"answer_pattern finds an empty answer in {short(value)}")
    return found[1].strip()


def last_match(pattern: re.Pattern[str], value: str) -> re.Match[str] | None:
    """The pattern's last match."""
    found = list(pattern.finditer(value))
    return found[-1] if found else None


def kind(value: object) -> str:
    """A value's type and beginning, for messages."""
    return "nothing" if value is None else f"{type(value).__name__} {short(value)}"


def short(value: object) -> str:
    """At most 100 characters of a value."""
    shown = repr(value)
    return shown if len(shown) <= 100 else f"{shown[:97]}..."
