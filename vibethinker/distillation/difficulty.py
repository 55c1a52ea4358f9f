"""The hard subset of the second SFT round: long traces of problems that a reference model mostly fails [B].

The report's rule: "traces >= 5K tokens, and problems that a reference model fails in >= 75% of 8 rollouts". A problem of
which no rollout could be judged (all `unknown`, or no gold answer to judge by) has not been seen to be hard: it stays out
unless the share is 0.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vibethinker.errors import DataError
from vibethinker.records import Problem, Sample


@dataclass(frozen=True)
class Rated:
    """One problem, how the reference model did on it, and how long its traces are."""

    problem: Problem
    samples: int
    """Rollouts that were judged: `unknown` verdicts are neither failed nor counted."""
    correct: int
    tokens: tuple[int, ...]
    """Length of each of the problem's traces, in tokens."""
    hard: bool
    long: tuple[bool, ...]
    """Whether each trace is long enough."""

    @property
    def kept(self) -> bool:
        """Hard, and with a long trace."""
        return self.hard and any(self.long)

    @property
    def row(self) -> dict[str, object]:
        """Of difficulty.parquet."""
        return {
            "problem_id": self.problem.id,
            "domain": self.problem.domain,
            "samples": self.samples,
            "correct": self.correct,
            "longest_trace": max(self.tokens, default=0),
            "kept": self.kept,
        }


def judged(samples: Iterable[Sample]) -> dict[str, tuple[int, int]]:
    """Problem's id -> (rollouts with a verdict, correct ones)."""
    known: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for sample in samples:
        known[sample.problem_id] += sample.status != "unknown"
        correct[sample.problem_id] += sample.status == "correct"
    return {name: (known[name], correct[name]) for name in known}


def is_hard(known: int, correct: int, fail_share: float) -> bool:
    """Whether at least this share of the judged rollouts failed."""
    return fail_share == 0 or (known > 0 and (known - correct) / known >= fail_share)


def rate(
    problems: Sequence[Problem],
    counts: Mapping[str, tuple[int, int]],
    lengths: Sequence[Sequence[int]],
    fail_share: float,
    min_trace_tokens: int,
) -> list[Rated]:
    """Each problem by both conditions. counts: as `judged` gives; lengths: tokens of each problem's traces."""
    rated = []
    for problem, tokens in zip(problems, lengths, strict=True):
        known, correct = counts.get(problem.id, (0, 0))
        hard, long = is_hard(known, correct, fail_share), tuple(n >= min_trace_tokens for n in tokens)
        rated.append(Rated(problem, known, correct, tuple(tokens), hard, long))
    return rated


def hard_subset(rated: Sequence[Rated]) -> list[Problem]:
    """The kept problems with their long traces, in their order."""
    kept = [r for r in rated if r.kept]
    return [
        r.problem.model_copy(
            update={"traces": tuple(t for t, long in zip(r.problem.traces, r.long, strict=True) if long)}
        )
        for r in kept
    ]


def tally(rated: Sequence[Rated]) -> dict[str, int]:
    """How many meet which condition."""
    return {
        "problems": len(rated),
        "hard": sum(r.hard for r in rated),
        "long": sum(any(r.long) for r in rated),
        "kept": sum(r.kept for r in rated),
    }


def check_long(
    problems: Sequence[Problem], lengths: Sequence[Sequence[int]], domains: Sequence[str], min_trace_tokens: int
) -> None:
    """Raises DataError for the first domain without a long trace: of it nothing can be kept, whatever the rollouts say."""
    for domain in domains:
        own = [tokens for problem, tokens in zip(problems, lengths, strict=True) if problem.domain == domain]
        longest = max((n for tokens in own for n in tokens), default=0)
        if not any(n >= min_trace_tokens for tokens in own for n in tokens):
            raise DataError(
                f"the hard subset has no problem of domain {domain!r}: of {len(own)} problems 0 have a trace of at least "
                f"{min_trace_tokens} tokens (sft.curriculum.min_trace_tokens), the longest has {longest}; lower it, or give "
                "more SFT problems"
            )


def check_domains(rated: Sequence[Rated], domains: Sequence[str], fail_share: float, min_trace_tokens: int) -> None:
    """Raises DataError for the first domain of which nothing is kept: its expert would have nothing to learn from."""
    for domain in domains:
        found = tally([r for r in rated if r.problem.domain == domain])
        if not found["kept"]:
            raise DataError(
                f"the hard subset has no problem of domain {domain!r}: of {found['problems']} problems the reference model "
                f"fails {found['hard']} often enough (sft.curriculum.fail_share = {fail_share:g}), {found['long']} have a "
                f"trace of at least {min_trace_tokens} tokens (sft.curriculum.min_trace_tokens), none both; "
                "lower one of the two, or give more SFT problems"
            )
