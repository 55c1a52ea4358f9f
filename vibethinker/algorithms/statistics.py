"""Error bars for benchmark scores: bootstrap over questions, as arXiv 2411.00640 asks.

Samples of one question are not independent, so the question is the unit that is resampled ("clustered standard errors",
section 2.2 there), and two models on the same questions are compared by their per-question differences ("paired
differences", section 4.2 there). Where domains are averaged with equal weight, questions are resampled within domains.

Where all values of a domain are equal, resampling shows no spread, and an interval of no width would be a lie. With n
questions seen, a share of up to w = z^2 / (n + z^2) of all questions (Wilson's upper bound for 0 of n) may still behave
differently; in the worst case each of those lies at an end of the possible range. For values that are all 0 or all 1
this is Wilson's interval. One question alone says nothing: the whole range. The same holds in part where only a few
questions differ from the rest (one solved problem must not turn a wide interval into a narrow one): the share falls
linearly with their number, to none at `ENOUGH`, where the bootstrap stands alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

RESAMPLES = 4000
ENOUGH = 5
"""Questions that must differ from the usual value before their spread is trusted, as np >= 5 for the binomial."""

Values = npt.NDArray[np.float64]
"""One value per question: [questions]."""


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval, low <= mean <= high."""

    mean: float
    low: float
    high: float


def mean_interval(values: npt.ArrayLike, seed: int = 0, level: float = 0.95) -> Interval:
    """Mean over questions of values in [0, 1] (per-question means), percentile bootstrap over questions.

    values: [questions]. Raises ValueError for none, or for values outside [0, 1].
    """
    return stratified_interval([values], seed, level)


def stratified_interval(values: Sequence[npt.ArrayLike], seed: int = 0, level: float = 0.95) -> Interval:
    """Mean over domains, each with equal weight, of the mean over its questions. values: one [questions] per domain."""
    return _interval([_checked(v) for v in values], (0.0, 1.0), seed, level)


def stratified_paired_interval(
    a: Sequence[npt.ArrayLike], b: Sequence[npt.ArrayLike], seed: int = 0, level: float = 0.95
) -> Interval:
    """Mean over domains of the mean of a - b over a domain's questions. a, b: one [questions] in [0, 1] per domain."""
    first, second = [_checked(v) for v in a], [_checked(v) for v in b]
    sizes = [v.size for v in first], [v.size for v in second]
    if sizes[0] != sizes[1]:
        raise ValueError(f"paired models must have the same questions, got {sizes[0]} and {sizes[1]} per domain")
    return _interval([x - y for x, y in zip(first, second, strict=True)], (-1.0, 1.0), seed, level)


def _checked(values: npt.ArrayLike) -> Values:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"an interval needs one value per question and at least one, got shape {array.shape}")
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"per-question values must lie in [0, 1], got {array.min()} to {array.max()}")
    return array


def _interval(strata: list[Values], bounds: tuple[float, float], seed: int, level: float) -> Interval:
    """Bootstrap; what nearly constant strata may hide is added in quadrature (MOVER, Zou and Donner 2008)."""
    if not strata:
        raise ValueError("an interval needs at least one domain")
    rng = np.random.default_rng(seed)
    mean = float(np.mean([s.mean() for s in strata]))
    draws = np.mean([_resampled_means(s, rng) for s in strata], axis=0)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    hidden = np.array([_hidden(s, bounds, level) for s in strata]) / len(strata)
    below, above = np.sqrt((hidden**2).sum(axis=0))
    return Interval(
        mean=mean,
        low=max(bounds[0], mean - float(np.hypot(max(mean - low, 0.0), below))),
        high=min(bounds[1], mean + float(np.hypot(max(high - mean, 0.0), above))),
    )


def _resampled_means(values: Values, rng: np.random.Generator) -> Values:
    """Means of RESAMPLES draws of n questions with replacement: [resamples].

    Drawing how often each distinct value comes up (multinomial) is the same distribution, in far less memory.
    """
    distinct, counts = np.unique(values, return_counts=True)
    times = rng.multinomial(values.size, counts / values.size, size=RESAMPLES)
    return np.asarray(times @ distinct / values.size, np.float64)


def _hidden(values: Values, bounds: tuple[float, float], level: float) -> tuple[float, float]:
    """How far below and above the bootstrap a nearly constant stratum may still lie; zeros where enough values vary."""
    distinct, counts = np.unique(values, return_counts=True)
    usual, others = float(distinct[counts.argmax()]), values.size - int(counts.max())
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    share = 1.0 if values.size == 1 else z2 / (values.size + z2)
    share *= max(0.0, 1 - others / ENOUGH)
    return share * (usual - bounds[0]), share * (bounds[1] - usual)
