"""Problems from where a profile says they are: seeded generators, local files, the Hugging Face hub.

Every row read is kept, quarantined with a reason, or counted under a name: rows never go silently.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibethinker.config.benchmark import load_benchmark
from vibethinker.config.data import SourceSettings
from vibethinker.data.benchmark_files import data_folder
from vibethinker.data.benchmarks import load_problems
from vibethinker.data.generated import generated, verifier_of
from vibethinker.data.identity import question_key, seeded_order, source_path, unreadable
from vibethinker.data.rows import (
    READ_ERRORS,
    Row,
    RowError,
    answer_in,
    cell,
    encodable,
    file_rows,
    hub_rows,
    kind,
    last_match,
    messages_cell,
    short,
    text_cell,
)
from vibethinker.errors import ConfigError, DataError
from vibethinker.records import Problem, Role, VerifierName
from vibethinker.verifiers.choice import choice_letter
from vibethinker.verifiers.code import parse_tests
from vibethinker.verifiers.extraction import extract_answer

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


def load_source(source: SourceSettings, domains: Mapping[str, VerifierName]) -> Loaded:
    """All problems of one source; `domains` maps each domain of the profile to its verifier.

    ConfigError where the source's settings or file are wrong, DataError where the hub fails or no row is usable.
    """
    if source.generator:
        return _generated(source, domains)
    if source.benchmark:
        return _benchmark(source, domains)
    pattern = re.compile(source.answer_pattern) if source.answer_pattern else None
    rows = _hub_rows(source) if source.hub else _file_rows(source, source_path(source))
    found: dict[str, Problem] = {}
    quarantine: list[dict[str, Any]] = []
    counts = Counter(dict.fromkeys(_COUNTS, 0))
    for number, row in rows:
        counts["rows"] += 1
        try:
            problem, unboxed = _problem(source, row, domains, pattern)
        except RowError as error:
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


def _benchmark(source: SourceSettings, domains: Mapping[str, VerifierName]) -> Loaded:
    """A benchmark's problems under the source's name and domain; its damaged rows are the quarantine."""
    spec = load_benchmark(source.benchmark)
    if spec.verifier != domains[source.domain]:
        raise ConfigError(
            f"source {source.name!r}: benchmark {spec.name!r} is graded by {spec.verifier}, its domain {source.domain!r} by "
            f"{domains[source.domain]}; give it a domain of its own"
        )
    loaded = load_problems(spec, data_folder(), source.seed)
    named = [
        p.model_copy(
            update={
                "id": f"{source.name}{p.id.removeprefix(spec.name)}",
                "domain": source.domain,
                "source": source.name,
            }
        )
        for p in loaded.problems
    ]
    kept = _limited(source, {p.id: p for p in named})
    quarantine = [{"source": source.name, **row} for row in loaded.damaged]
    counts = dict.fromkeys(_COUNTS, 0) | {
        "rows": len(named) + len(quarantine),
        "kept": len(kept),
        "quarantined": len(quarantine),
        "over_limit": len(named) - len(kept),
    }
    return Loaded(kept, quarantine, counts)


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


def _file_rows(source: SourceSettings, path: Path) -> Iterator[tuple[int, Row]]:
    """Rows of a file; ConfigError if it can't be read, has another form, or holds no row."""
    number = 0
    try:
        for number, row in file_rows(path):
            yield number, row
    except READ_ERRORS as error:
        raise ConfigError(unreadable(source, error)) from error
    if not number:
        raise ConfigError(f"source {source.name!r}: {source.path!r} holds no rows; give another file")


def _hub_rows(source: SourceSettings) -> Iterator[tuple[int, Row]]:
    """Rows of a hub data set; DataError if it can't be had."""
    try:
        yield from hub_rows(source.hub, source.config, source.split, source.revision)
    except Exception as error:  # the hub client raises errors of half a dozen libraries, without a common family
        raise DataError(
            f"source {source.name!r}: hub data set {source.hub!r} can't be loaded ({type(error).__name__}: {error}); "
            f"check its id, config, split and revision and the network, or download its file and give it as `path`"
        ) from error


# --- from a row to a problem --------------------------------------------------------------------------------------


def _problem(
    source: SourceSettings, row: Row, domains: Mapping[str, VerifierName], pattern: re.Pattern[str] | None
) -> tuple[Problem | None, int]:
    """The row as a problem, None if its domain is not listed; and how many of its traces had to be left out."""
    if isinstance(row, RowError):
        raise row
    domain = _domain(source, row)
    if domain is None:
        return None, 0
    messages = _messages(source, row)
    response = (messages.pop()[1],) if messages[-1][0] == "assistant" else ()
    *turns, (_, question) = messages
    verifier = verifier_of(source, domain, domains)
    answer = _gold(source, row, verifier, pattern)
    texts = (*response, *_trace_texts(row, source.trace))
    traces = _traces(texts, verifier, answer, pattern)
    problem = Problem(
        id=f"{source.name}/{question_key(question, turns)}",
        domain=domain,
        question=question,
        turns=tuple(turns),
        verifier=verifier,
        answer=answer,
        tests=_tests(row, source.tests) if verifier == "code" else (),
        traces=traces,
        source=source.name,
    )
    return problem, len(texts) - len(traces)


def _messages(source: SourceSettings, row: dict[str, Any]) -> list[tuple[Role, str]]:
    """The row's conversation; a question alone is one message."""
    return messages_cell(row, source.messages) if source.messages else [("user", text_cell(row, source.question))]


def _gold(source: SourceSettings, row: dict[str, Any], verifier: VerifierName, pattern: re.Pattern[str] | None) -> str:
    """What maths and choice are graded by; empty for the others, and where a row of an unlabelled source has none."""
    if verifier not in ("maths", "choice"):
        return ""
    answer = _answer(source, row, pattern)
    if verifier == "maths" or not answer:
        return answer
    letter = choice_letter(answer)
    if letter is None:
        raise RowError(f"column {source.answer!r} must give one option's letter, not {short(answer)}")
    return letter


def _answer(source: SourceSettings, row: dict[str, Any], pattern: re.Pattern[str] | None) -> str:
    """The answer column's; empty where a row of an unlabelled source has none."""
    if source.unlabelled:
        try:
            value = cell(row, source.answer)
        except RowError:
            return ""
        if value is None or (isinstance(value, str) and not value.strip()):
            return ""
    text = text_cell(row, source.answer)
    try:
        return answer_in(text, pattern)
    except RowError:
        if source.unlabelled:
            return ""
        raise


def _traces(
    texts: Sequence[str], verifier: VerifierName, answer: str, pattern: re.Pattern[str] | None
) -> tuple[str, ...]:
    """As a response would be: those of maths and choice that box the gold answer, those of code as a fenced block."""
    match verifier:
        case "maths":
            return tuple(trace for trace in (_boxed(text, pattern) for text in texts) if _states(trace, answer))
        case "choice":
            return tuple(text for text in texts if answer and _chosen(text) == answer)
        case "code":
            return tuple(text if "```" in text else f"```python\n{text}\n```" for text in texts)
        case "constraints":
            return tuple(texts)


def _domain(source: SourceSettings, row: dict[str, Any]) -> str | None:
    return source.domain or source.domain_map.get(text_cell(row, source.domain_column))


def _boxed(trace: str, pattern: re.Pattern[str] | None) -> str:
    """A maths trace with its answer in a box.

    Where there is no box but the answer pattern matches (GSM8K's `#### 72`), the last match becomes a boxed sentence
    and the calculator marks (`<<48/2=24>>`) go.
    """
    found = last_match(pattern, trace) if pattern and "\\boxed" not in trace else None
    if not found:
        return trace
    boxed = f"{trace[: found.start()]}The answer is \\boxed{{{found[1].strip()}}}.{trace[found.end() :]}"
    return _CALCULATOR.sub("", boxed).strip()


def _states(trace: str, answer: str) -> bool:
    """Whether the trace's last box holds the answer, white space aside; AIME's `\\boxed{015}` states 15."""
    stated, wanted = (_ZEROS.sub("", "".join(text.split())) for text in (trace, f"\\boxed{{{answer}}}"))
    return stated[stated.rfind("\\boxed") :].startswith(wanted)


def _chosen(trace: str) -> str | None:
    """The option in the trace's last box."""
    return choice_letter(extract_answer(trace).text or "")


def _trace_texts(row: dict[str, Any], column: str) -> tuple[str, ...]:
    """The trace column's text or list of texts; none where there is no such column or the cell is null."""
    value = cell(row, column) if column else None
    texts = []
    for item in value if isinstance(value, list) else [] if value is None else [value]:
        if not isinstance(item, str) or not item.strip():
            raise RowError(f"column {column!r} must hold text, not {kind(item)}")
        encodable(item, column)
        texts.append(item.strip())
    return tuple(texts)


def _tests(row: dict[str, Any], column: str) -> tuple[str, ...]:
    tests = cell(row, column)
    if not isinstance(tests, list) or not tests or not all(isinstance(t, str) and t.strip() for t in tests):
        raise RowError(f"a code problem needs in column {column!r} a list of assert lines, not {kind(tests)}")
    for test in tests:
        encodable(test, column)
    try:
        parse_tests(tuple(tests))
    except DataError as error:
        raise RowError(f"column {column!r}: {_ADDRESS.sub('', str(error))}") from error
    return tuple(tests)
