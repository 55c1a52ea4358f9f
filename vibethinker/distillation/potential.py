"""Traces that a student learns most from: scored under it, ranked among traces of one domain and like length [B]."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from vibethinker.algorithms.learning_potential import Bucket, Scored, learning_potential
from vibethinker.config.base import Settings
from vibethinker.distillation.traces import Trace
from vibethinker.records import Problem
from vibethinker.training.documents import Document, tokenise
from vibethinker.training.sft import document_losses

SCORED_AT_ONCE = 256
"""Traces between two looks at whether to stop."""
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
    report: Callable[[int, int], None],
) -> Ranked:
    """S_LP(q, y) = -(1/|y|) sum_t log pi_student(y_t | q, y_<t), |y| in the student's own tokens.

    problems: id -> problem. traces: not empty. report: (scored, all), now and then; may raise to stop.
    """
    scored = _scores(student, problems, traces, report)
    buckets = learning_potential(scored, settings.buckets, settings.band, settings.min_tokens)
    kept = {i for bucket in buckets for i in bucket.kept}
    rows = []
    for index, (trace, (_, tokens, score)) in enumerate(zip(traces, scored, strict=True)):
        reason = trace.reason if index in kept else "short" if tokens < settings.min_tokens else "outside the band"
        rows.append(replace(trace, potential=score, reason=reason))
    return Ranked(rows, [_described(bucket, scored) for bucket in buckets])


def _scores(
    student: Student,
    problems: Mapping[str, Problem],
    traces: Sequence[Trace],
    report: Callable[[int, int], None],
) -> list[Scored]:
    scored: list[Scored] = []
    for start in range(0, len(traces), SCORED_AT_ONCE):
        report(start, len(traces))
        chunk = traces[start : start + SCORED_AT_ONCE]
        documents = [_document(student, problems[trace.problem_id], trace) for trace in chunk]
        losses = document_losses(student.model, documents, TOKENS_PER_MICRO_BATCH, student.precision)
        scored += [
            Scored(trace.domain, sum(document.learnt), loss)
            for trace, document, loss in zip(chunk, documents, losses, strict=True)
        ]
    report(len(traces), len(traces))
    return scored


def _document(student: Student, problem: Problem, trace: Trace) -> Document:
    """The conversation, of which only the response counts, not the assistant's earlier turns."""
    asked = [problem.model_copy(update={"traces": (trace.response,)})]
    whole = tokenise(asked, student.tokenizer, student.templates, student.system_prompt, sys.maxsize)[0][0]
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
