"""Which of the teachers' responses to one problem become its traces [B: several verified paths a problem]."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vibethinker.data.decontamination import ngrams, normalise
from vibethinker.distillation.repetition import degenerate
from vibethinker.records import FinishReason, Problem, VerdictStatus

Reason = Literal[
    "",
    "cut",
    "unlabelled",
    "incorrect",
    "unknown",
    "repetitive",
    "contaminated",
    "same as another",
    "more than keep",
    "unwritable",
    "short",
    "outside the band",
]
"""Why a response is no trace, the first that holds; empty for one that is kept."""


@dataclass(frozen=True)
class Trace:
    """One response of one teacher, and what became of it."""

    teacher: str
    problem_id: str
    domain: str
    sample: int
    """Index among the teacher's responses to the problem."""
    response: str
    tokens: int
    prompt_tokens: int
    finish_reason: FinishReason
    status: VerdictStatus | Literal["unlabelled"]
    """`unlabelled` until a vote gives the problem an answer."""
    extracted: str | None = None
    """What it gives as its answer."""
    reason: Reason = ""
    potential: float | None = None
    """S_LP under the student, where it was scored."""

    @property
    def verified(self) -> bool:
        """Correct, and ended by itself."""
        return self.status == "correct" and self.finish_reason == "stop"


def contamination(benchmark: Sequence[Problem], ngram: int) -> Callable[[str], bool]:
    """Whether a text shares a run of `ngram` words with a benchmark question: the rule of the sources' own traces [A 3.5]."""
    known = {gram for problem in benchmark for gram in ngrams(normalise(problem.question), ngram)}
    return lambda text: not known.isdisjoint(ngrams(normalise(text), ngram))


def sift(traces: Sequence[Trace], known: Sequence[str], keep: int, contaminated: Callable[[str], bool]) -> list[Trace]:
    """The same traces with the reasons why they are not kept; first those that are, in the order in which they were chosen.

    At most `keep` stay, each another text (white space aside) than the rest and than the `known` ones: the teachers take
    turns in the order in which they first appear, each with its next sample. traces: of one problem, each teacher's in
    the order of their samples.
    """
    faults = [_fault(trace, contaminated) for trace in traces]
    rejected = [replace(t, reason=fault) for t, fault in zip(traces, faults, strict=True) if fault]
    distinct, repeated = _distinct([t for t, fault in zip(traces, faults, strict=True) if not fault], known)
    chosen = _turns(distinct)
    spare = [replace(t, reason="more than keep") for t in chosen[keep:]]
    return [*chosen[:keep], *spare, *repeated, *rejected]


def _fault(trace: Trace, contaminated: Callable[[str], bool]) -> Reason:
    if trace.finish_reason != "stop":
        return "cut"
    if trace.status != "correct":
        return trace.status
    if degenerate(trace.response):
        return "repetitive"
    return "contaminated" if contaminated(trace.response) else ""


def _distinct(traces: Sequence[Trace], known: Sequence[str]) -> tuple[list[Trace], list[Trace]]:
    """The first of each text, and the others. A text of two teachers is the one's with the lower sample."""
    seen = {_plain(text) for text in known}
    first, others = [], []
    for trace in sorted(traces, key=lambda t: t.sample):
        text = _plain(trace.response)
        if text in seen:
            others.append(replace(trace, reason="same as another"))
        else:
            first.append(trace)
        seen.add(text)
    teachers = dict.fromkeys(t.teacher for t in traces)
    return [t for teacher in teachers for t in first if t.teacher == teacher], others


def _turns(traces: Sequence[Trace]) -> list[Trace]:
    """One of each teacher, then the next of each."""
    waiting: dict[str, deque[Trace]] = {}
    for trace in traces:
        waiting.setdefault(trace.teacher, deque()).append(trace)
    found = []
    while waiting:
        found += [queue.popleft() for queue in waiting.values()]
        waiting = {teacher: queue for teacher, queue in waiting.items() if queue}
    return found


def _plain(text: str) -> str:
    return " ".join(text.split())
