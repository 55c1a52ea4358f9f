"""Problems from where a profile says they are: seeded generators, local files, the Hugging Face hub.

Every row read is kept, quarantined with a reason, or counted under a name: rows never go silently.
"""

import gzip
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vibethinker.config.data import SourceSettings
from vibethinker.data.generated import generated, verifier_of
from vibethinker.data.identity import FORMS, question_key, seeded_order, source_path, unreadable
from vibethinker.errors import ConfigError, DataError
from vibethinker.records import Problem, VerifierName
from vibethinker.verifiers.code import parse_tests

_COUNTS = ("rows", "kept", "quarantined", "other_domain", "duplicates", "over_limit", "traces_left_out")
_ZEROS = re.compile(r"(?<=\\boxed\{)0+(?=\d)")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""Where Python names an object by its place in memory: the same rows give the same quarantine."""
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")


@dataclass(frozen=True)
class Loaded:
    """What a source gave."""

    problems: list[Problem]
    """Usable rows: a generator's in its order, others in seeded order (sha256 of seed and id)."""
    quarantine: list[dict[str, Any]]
    """One {"source", "row", "reason"} per malformed row; `row` counts from 1 (JSONL: the line)."""
    counts: dict[str, int]
    """`rows` = `kept` + `quarantined` + `other_domain` + `duplicates` + `over_limit`. Apart from them,
    `traces_left_out`: traces of kept or over-limit rows that do not state the gold answer in a box."""


class _RowError(Exception):
    """Why a row goes to quarantine."""


_Row = dict[str, Any] | _RowError


def load_source(source: SourceSettings, domains: Mapping[str, VerifierName]) -> Loaded:
    """All problems of one source; `domains` maps each domain of the profile to its verifier.

    ConfigError where the source's settings or file are wrong, DataError where the hub fails or no row is usable.
    """
    if source.generator:
        return _generated(source, domains)
    pattern = re.compile(source.answer_pattern) if source.answer_pattern else None
    rows = _hub_rows(source) if source.hub else _file_rows(source, source_path(source))
    found: dict[str, Problem] = {}
    quarantine: list[dict[str, Any]] = []
    counts = Counter(dict.fromkeys(_COUNTS, 0))
    for number, row in rows:
        counts["rows"] += 1
        try:
            problem, unboxed = _problem(source, row, domains, pattern)
        except _RowError as error:
            quarantine.append({"source": source.name, "row": number, "reason": str(error)})
            continue
        if problem is None:
            counts["other_domain"] += 1
        elif problem.id in found:
            counts["duplicates"] += 1
        else:
            found[problem.id] = problem
            counts["traces_left_out"] += unboxed
    kept = _limited(source, found)
    counts.update(quarantined=len(quarantine), kept=len(kept), over_limit=len(found) - len(kept))
    if not kept:
        raise DataError(_nothing_usable(source, counts, quarantine))
    return Loaded(kept, quarantine, dict(counts))


def _generated(source: SourceSettings, domains: Mapping[str, VerifierName]) -> Loaded:
    names = [source.domain] if source.domain else list(domains)
    found: dict[str, Problem] = {}
    for domain in names:
        for problem in generated(source, domain, domains):
            name = f"{source.name}/{question_key(problem.question)}"
            found.setdefault(name, problem.model_copy(update={"id": name}))
    rows = source.limit * len(names)
    counts = dict.fromkeys(_COUNTS, 0) | {"rows": rows, "kept": len(found), "duplicates": rows - len(found)}
    return Loaded(list(found.values()), [], counts)


def _limited(source: SourceSettings, found: Mapping[str, Problem]) -> list[Problem]:
    """At most `limit` problems per domain, all in seeded order."""
    taken: Counter[str] = Counter()
    kept = []
    for name in seeded_order(found, source.seed):
        domain = found[name].domain
        if not source.limit or taken[domain] < source.limit:
            taken[domain] += 1
            kept.append(found[name])
    return kept


def _nothing_usable(source: SourceSettings, counts: Mapping[str, int], quarantine: Sequence[dict[str, Any]]) -> str:
    why = f"; first reason, row {quarantine[0]['row']}: {quarantine[0]['reason']}" if quarantine else ""
    listed = f" (domain_map lists {sorted(source.domain_map)})" if counts["other_domain"] else ""
    return (
        f"source {source.name!r}: none of its {counts['rows']} rows is usable: {counts['quarantined']} malformed, "
        f"{counts['other_domain']} of a domain that is not listed{listed}{why}; correct the column names or domain_map"
    )


# --- rows ---------------------------------------------------------------------------------------------------------


def _file_rows(source: SourceSettings, path: Path) -> Iterator[tuple[int, _Row]]:
    """Rows of a file, numbered from 1; ConfigError if it can't be read, has another form, or holds no row."""
    name = path.name.lower()
    readers = dict(zip(FORMS, (_jsonl, _jsonl, _json_array, _parquet), strict=True))
    reader = next(readers[suffix] for suffix in FORMS if name.endswith(suffix))
    number = 0
    try:
        for number, row in reader(path):
            yield number, row
    except (OSError, EOFError, zlib.error, ValueError, RecursionError, pa.ArrowException) as error:
        raise ConfigError(unreadable(source, error)) from error
    if not number:
        raise ConfigError(f"source {source.name!r}: {source.path!r} holds no rows; give another file")


def _jsonl(path: Path) -> Iterator[tuple[int, _Row]]:
    """Lines end at "\\n" only: U+2028 and its like are legal inside a JSON string."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, _json_row(line)


def _json_row(line: bytes) -> _Row:
    try:
        return _as_row(json.loads(line.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        return _RowError(f"invalid UTF-8: {error}")
    except (ValueError, RecursionError) as error:
        return _RowError(f"invalid JSON: {error}")


def _json_array(path: Path) -> Iterator[tuple[int, _Row]]:
    rows = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(rows, list):
        raise ValueError(f"a .json file must hold one array of objects, this one holds {_kind(rows)}")
    for number, row in enumerate(rows, start=1):
        yield number, _as_row(row)


def _parquet(path: Path) -> Iterator[tuple[int, _Row]]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1024):
            for position in range(batch.num_rows):
                number += 1
                try:
                    yield number, batch.slice(position, 1).to_pylist()[0]
                except UnicodeDecodeError as error:
                    yield number, _RowError(f"invalid UTF-8: {error}")


def _hub_rows(source: SourceSettings) -> Iterator[tuple[int, _Row]]:
    """Rows of a hub data set, numbered from 1."""
    from datasets import load_dataset  # here, since it takes seconds that local files need not pay

    try:
        rows = load_dataset(source.hub, source.config or None, split=source.split, revision=source.revision or None)
    except Exception as error:  # the hub client raises errors of half a dozen libraries, without a common family
        raise DataError(
            f"source {source.name!r}: hub data set {source.hub!r} can't be loaded ({type(error).__name__}: {error}); "
            f"check its id, config, split and revision and the network, or download its file and give it as `path`"
        ) from error
    for number, row in enumerate(rows, start=1):
        yield number, _as_row(row)


def _as_row(row: object) -> _Row:
    return row if isinstance(row, dict) else _RowError(f"a row must be an object with columns, not {_kind(row)}")


# --- from a row to a problem --------------------------------------------------------------------------------------


def _problem(
    source: SourceSettings, row: _Row, domains: Mapping[str, VerifierName], pattern: re.Pattern[str] | None
) -> tuple[Problem | None, int]:
    """The row as a problem, None if its domain is not listed; and how many of its traces had to be left out."""
    if isinstance(row, _RowError):
        raise row
    domain = _domain(source, row)
    if domain is None:
        return None, 0
    question = _text(row, source.question)
    verifier = verifier_of(source, domain, domains)
    answer = _answer(_text(row, source.answer), pattern) if verifier == "maths" else ""
    texts = traces = _trace_texts(row, source.trace)
    if verifier == "maths":
        traces = tuple(trace for trace in (_boxed(text, pattern) for text in texts) if _states(trace, answer))
    else:
        traces = tuple(text if "```" in text else f"```python\n{text}\n```" for text in texts)
    problem = Problem(
        id=f"{source.name}/{question_key(question)}",
        domain=domain,
        question=question,
        verifier=verifier,
        answer=answer,
        tests=_tests(row, source.tests) if verifier == "code" else (),
        traces=traces,
        source=source.name,
    )
    return problem, len(texts) - len(traces)


def _domain(source: SourceSettings, row: dict[str, Any]) -> str | None:
    return source.domain or source.domain_map.get(_text(row, source.domain_column))


def _answer(text: str, pattern: re.Pattern[str] | None) -> str:
    """The gold answer: the text itself, or what the pattern's last match in it holds."""
    if pattern is None:
        return text
    found = _last_match(pattern, text)
    if found is None:
        raise _RowError(f"answer_pattern finds nothing in {_short(text)}")
    if not found[1].strip():
        raise _RowError(f"answer_pattern finds an empty answer in {_short(text)}")
    return found[1].strip()


def _boxed(trace: str, pattern: re.Pattern[str] | None) -> str:
    """A maths trace with its answer in a box.

    Where there is no box but the answer pattern matches (GSM8K's `#### 72`), the last match becomes a boxed sentence
    and the calculator marks (`<<48/2=24>>`) go.
    """
    found = _last_match(pattern, trace) if pattern and "\\boxed" not in trace else None
    if not found:
        return trace
    boxed = f"{trace[: found.start()]}The answer is \\boxed{{{found[1].strip()}}}.{trace[found.end() :]}"
    return _CALCULATOR.sub("", boxed).strip()


def _states(trace: str, answer: str) -> bool:
    """Whether the trace's last box holds the answer, white space aside; AIME's `\\boxed{015}` states 15."""
    stated, wanted = (_ZEROS.sub("", "".join(text.split())) for text in (trace, f"\\boxed{{{answer}}}"))
    return stated[stated.rfind("\\boxed") :].startswith(wanted)


def _trace_texts(row: dict[str, Any], column: str) -> tuple[str, ...]:
    """The trace column's text or list of texts; none where there is no such column or the cell is null."""
    value = _column(row, column) if column else None
    texts = []
    for item in value if isinstance(value, list) else [] if value is None else [value]:
        if not isinstance(item, str) or not item.strip():
            raise _RowError(f"column {column!r} must hold text, not {_kind(item)}")
        _encodable(item, column)
        texts.append(item.strip())
    return tuple(texts)


def _tests(row: dict[str, Any], column: str) -> tuple[str, ...]:
    tests = _column(row, column)
    if not isinstance(tests, list) or not tests or not all(isinstance(t, str) and t.strip() for t in tests):
        raise _RowError(f"a code problem needs in column {column!r} a list of assert lines, not {_kind(tests)}")
    for test in tests:
        _encodable(test, column)
    try:
        parse_tests(tuple(tests))
    except DataError as error:
        raise _RowError(f"column {column!r}: {_ADDRESS.sub('', str(error))}") from error
    return tuple(tests)


# --- cells --------------------------------------------------------------------------------------------------------


def _column(row: dict[str, Any], name: str) -> object:
    """A cell by its column, or by a dotted path into nested values: `reward_model.ground_truth`, `prompt.0.content`."""
    if name in row:
        return row[name]
    value: object = row
    for part in name.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise _RowError(f"no column {name!r}; the row has {', '.join(map(repr, row)) or 'none'}")
    return value


def _text(row: dict[str, Any], name: str) -> str:
    """A cell as stripped text; numbers become their text (a gold answer of 70 is `70`)."""
    value = _column(row, name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _RowError(f"column {name!r} must hold text or a number, not {_kind(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise _RowError(f"column {name!r} holds {value}, not a finite number")
    text = str(value).strip()
    if not text:
        raise _RowError(f"column {name!r} is empty")
    _encodable(text, name)
    return text


def _encodable(text: str, column: str) -> None:
    """JSON can spell half of a surrogate pair, which no file or tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _RowError(f"column {column!r} holds text that is not valid unicode: {error}") from error


def _last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = list(pattern.finditer(text))
    return found[-1] if found else None


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {_short(value)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
