"""Pass@1 and Pass@K with 95% intervals clustered by question."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vibethinker.algorithms.pass_at_k import pass_at_k
from vibethinker.algorithms.statistics import Interval, stratified_interval
from vibethinker.records import Sample


class Score(BaseModel):
    """Figures of one domain, or of all domains with equal weight. `unknown` verdicts count as wrong (promise 6)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problems: int
    samples: int
    pass_at_1: float
    pass_at_1_low: float
    pass_at_1_high: float
    pass_at_k: float
    pass_at_k_low: float
    pass_at_k_high: float
    truncated: float
    unknown: float
    mean_tokens: float


def correct_counts(samples: Sequence[Sample]) -> dict[str, dict[str, tuple[int, int]]]:
    """Domain -> problem id -> (n, c)."""
    counts: dict[str, dict[str, tuple[int, int]]] = {}
    for s in samples:
        n, c = counts.setdefault(s.domain, {}).get(s.problem_id, (0, 0))
        counts[s.domain][s.problem_id] = (n + 1, c + (s.status == "correct"))
    return counts


def rates(counts: Mapping[str, tuple[int, int]], k: int) -> NDArray[np.float64]:
    """Unbiased Pass@k of each question: [questions]."""
    pairs = np.array(list(counts.values()))
    return pass_at_k(pairs[:, 0], pairs[:, 1], k)


def score_domains(samples: Sequence[Sample], k: int) -> dict[str, Score]:
    """A score for every domain, and `overall`: the mean over domains with equal weight."""
    counts = correct_counts(samples)
    by_domain = {d: [s for s in samples if s.domain == d] for d in sorted(counts)}
    scores = {d: _score(rows, [counts[d]], k) for d, rows in by_domain.items()}
    return scores | {"overall": _score(samples, [counts[d] for d in by_domain], k)}


def _score(samples: Sequence[Sample], domains: Sequence[Mapping[str, tuple[int, int]]], k: int) -> Score:
    at_1 = stratified_interval([rates(c, 1) for c in domains])
    at_k = stratified_interval([rates(c, k) for c in domains])
    count = len(samples)
    return Score(
        problems=sum(len(c) for c in domains),
        samples=count,
        **_named("pass_at_1", at_1),
        **_named("pass_at_k", at_k),
        truncated=sum(s.finish_reason == "length" for s in samples) / count,
        unknown=sum(s.status == "unknown" for s in samples) / count,
        mean_tokens=sum(s.tokens for s in samples) / count,
    )


def _named(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
