"""Traces that a student learns most from: scored under it, ranked among traces of one domain and like length [B]."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from vibethinker.algorithms.learning_potential import Bucket, Scored, learning_potential
from vibethinker.config.base import Settings
from vibethinker.distillation.score_file import Key, append_scores, read_scores
from vibethinker.distillation.traces import Trace
from vibethinker.errors import DataError
from vibethinker.records import Problem
from vibethinker.training.documents import Document, tokenise
from vibethinker.training.sft import document_losses

SCORED_AT_ONCE, TOKENS_AT_ONCE = 256, 200_000
"""Traces, and tokens of their conversations, between two looks at whether to stop: the fewer of both."""
TOKENS_PER_MICRO_BATCH = 16_384


class PotentialSettings(Settings):
    """How traces are ranked, as in config/distillation.py."""

    buckets: int
    band: tuple[float, float]
    min_tokens: int


@dataclass(frozen=True)
class Student:
    """Who is to learn, and how problems are put to it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    templates: Mapping[str, str]
    system_prompt: str
    precision: str


@dataclass(frozen=True)
class Ranked:
    """All traces in their order, with their scores; those outside the band with the reason."""

    traces: list[Trace]
    buckets: list[dict[str, Any]]
    """As counts.json has them: `low` and `high` are the scores of the kept ones, None where none is."""


def rank(
    student: Student,
    problems: Mapping[str, Problem],
    traces: Sequence[Trace],
    settings: PotentialSettings,
    path: Path,
    report: Callable[[int, int], None],
) -> Ranked:
    """S_LP(q, y) = -(1/|y|) sum_t log pi_student(y_t | q, y_<t), |y| in the student's own tokens.

    problems: id -> problem. traces: not empty. path: where scores are kept, those of earlier attempts too. report:
    (scored, all), now and then; may raise to stop. Raises DataError where the student's chat template can write no trace.
    """
    found = _scores(student, problems, traces, path, report)
    places, scored = list(found), list(found.values())
    buckets = learning_potential(scored, settings.buckets, settings.band, settings.min_tokens)
    kept = {places[i] for bucket in buckets for i in bucket.kept}
    rows = []
    for index, trace in enumerate(traces):
        if index not in found:
            rows.append(replace(trace, reason="unwritable"))
            continue
        _, tokens, score = found[index]
        reason = trace.reason if index in kept else "short" if tokens < settings.min_tokens else "outside the band"
        rows.append(replace(trace, potential=score, reason=reason))
    return Ranked(rows, [_described(bucket, scored) for bucket in buckets])


def _scores(
    student: Student,
    problems: Mapping[str, Problem],
    traces: Sequence[Trace],
    path: Path,
    report: Callable[[int, int], None],
) -> dict[int, Scored]:
    """By the place among the traces, without those that can't be written."""
    unwritable: list[DataError] = []
    known = read_scores(path)
    missing = [trace for trace in traces if _key(trace) not in known]
    done = len(traces) - len(missing)
    report(done, len(traces))
    for chunk in _chunks(student, problems, missing, unwritable):
        documents = [document for _, document in chunk]
        losses = document_losses(student.model, documents, TOKENS_PER_MICRO_BATCH, student.precision)
        found = {_key(t): (sum(d.learnt), loss) for (t, d), loss in zip(chunk, losses, strict=True)}
        append_scores(path, found)
        known |= found
        done += len(chunk)
        report(done, len(traces))
    if unwritable and not known:
        raise DataError(f"the student can write none of {len(traces)} traces, the first: {unwritable[0]}")
    return {i: Scored(trace.domain, *known[_key(trace)]) for i, trace in enumerate(traces) if _key(trace) in known}


def _chunks(
    student: Student, problems: Mapping[str, Problem], traces: Sequence[Trace], unwritable: list[DataError]
) -> Iterator[list[tuple[Trace, Document]]]:
    """In their order, with what is scored; a longer trace than a chunk may be is one of its own. Adds to `unwritable`."""
    chunk: list[tuple[Trace, Document]] = []
    tokens = 0
    for trace in traces:
        try:
            document = _document(student, problems[trace.problem_id], trace)
        except DataError as error:
            unwritable.append(error)
            continue
        if chunk and (len(chunk) == SCORED_AT_ONCE or tokens + len(document.token_ids) > TOKENS_AT_ONCE):
            yield chunk
            chunk, tokens = [], 0
        chunk.append((trace, document))
        tokens += len(document.token_ids)
    if chunk:
        yield chunk


def _key(trace: Trace) -> Key:
    return trace.teacher, trace.problem_id, trace.sample


def _document(student: Student, problem: Problem, trace: Trace) -> Document:
    """The conversation, of which only the response counts, not the assistant's earlier turns. Raises DataError."""
    asked = [problem.model_copy(update={"traces": (trace.response,)})]
    documents, left_out = tokenise(asked, student.tokenizer, student.templates, student.system_prompt, sys.maxsize)
    if left_out:  # the whole may be what is missing, and the first document one of an earlier turn
        raise DataError(f"problem {problem.id!r}: the conversation can't be written whole")
    whole = documents[0]
    start = len(whole.learnt) - whole.learnt[::-1].index(False, whole.learnt[::-1].index(True))
    return Document(whole.token_ids, tuple(i >= start and learnt for i, learnt in enumerate(whole.learnt)))


def _described(bucket: Bucket, scored: Sequence[Scored]) -> dict[str, Any]:
    lengths = [scored[i].tokens for i in bucket.members]
    scores = [scored[i].score for i in bucket.kept]
    return {
        "domain": bucket.domain,
        "low_tokens": min(lengths),
        "high_tokens": max(lengths),
        "traces": len(bucket.members),
        "kept": len(bucket.kept),
        "low": min(scores, default=None),
        "high": max(scores, default=None),
    }
