"""Pseudo-labels: where a problem has no gold answer, the answer that most of its responses agree on [B: majority vote]."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vibethinker.distillation.repetition import degenerate
from vibethinker.distillation.traces import Trace
from vibethinker.records import Problem
from vibethinker.verifiers.choice import choice_letter
from vibethinker.verifiers.equivalence import clusters
from vibethinker.verifiers.grader import Grader

MAX_CHARACTERS = 1_000
"""A longer answer is none: it would be a text with numbers in it."""


@dataclass(frozen=True)
class Votes:
    """When a majority counts."""

    min_votes: int
    """So many responses must agree."""
    min_share: float
    """And so large a share of those that answer."""


def pseudo_label(
    problem: Problem, traces: Sequence[Trace], votes: Votes, grader: Grader
) -> tuple[str, list[Trace]] | None:
    """The majority's answer, and the traces graded by it; None where no answer has the votes, or two have as many.

    A response votes if it ended by itself, is not degenerate, and gives an answer (for a choice: one letter). Equal answers,
    by the rules that grade, are one; the label is their commonest spelling.
    """
    answers = [_answer(problem, trace) for trace in traces]
    given = [answer for answer in answers if answer]
    numbers = iter(clusters(given, lambda a, b: grader.same(problem, a, b)))
    voted = [next(numbers) if answer else None for answer in answers]
    winner = _majority([v for v in voted if v is not None], votes)
    if winner is None:
        return None
    spellings = Counter(answer for answer, v in zip(answers, voted, strict=True) if answer and v == winner)
    graded = [
        replace(trace, status="correct" if v == winner else "incorrect") for trace, v in zip(traces, voted, strict=True)
    ]
    return spellings.most_common(1)[0][0], graded


def _answer(problem: Problem, trace: Trace) -> str | None:
    if trace.finish_reason != "stop" or not trace.extracted or degenerate(trace.response):
        return None
    answer = trace.extracted.strip()
    if problem.verifier == "choice":
        return choice_letter(answer)
    return answer if len(answer) <= MAX_CHARACTERS else None


def _majority(voted: Sequence[int], votes: Votes) -> int | None:
    """The one largest cluster, where it is large enough."""
    ranking = Counter(voted).most_common(2)
    if not ranking or (len(ranking) == 2 and ranking[0][1] == ranking[1][1]):
        return None
    winner, size = ranking[0]
    return winner if size >= votes.min_votes and size / len(voted) >= votes.min_share else None
