"""Which traces a student learns most from: S_LP(q, y) = -(1/|y|) sum_t log pi_student(y_t | q, y_<t), ranked among its like [B].

Long traces and some fields have lower scores than others whatever they teach, so scores are compared inside a bucket of
one domain and like length only. Low scores are what the student says anyway; the highest few are outliers. The report
gives no numbers: how many lengths there are, and which ranks are kept, are the caller's.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Scored(NamedTuple):
    """One trace."""

    domain: str
    tokens: int
    """|y|"""
    score: float
    """S_LP in nats a token."""


class Bucket(NamedTuple):
    """Traces of one domain and like length, as indices into what was ranked."""

    domain: str
    members: tuple[int, ...]
    """Lowest score first; of equal ones the earlier trace."""
    kept: tuple[int, ...]
    """Those of them whose rank lies in the band."""


def learning_potential(
    traces: Sequence[Scored], buckets: int, band: tuple[float, float], min_tokens: int
) -> list[Bucket]:
    """The buckets that have members, domains in order of appearance, short lengths first.

    Traces below min_tokens go first and are in none. A domain's lengths are parted at their `buckets` quantiles; equal
    lengths share a bucket. The trace of rank r (0 is the lowest score) among n stands at (r + 1/2) / n; it is kept where that
    lies in [low, high) of `band`. Raises ValueError for a score that is no number.
    """
    if wrong := [i for i, t in enumerate(traces) if not math.isfinite(t.score)]:
        raise ValueError(f"learning potential of trace {wrong[0]} is {traces[wrong[0]].score}; scores must be finite")
    found: dict[str, list[int]] = {}
    for index, trace in enumerate(traces):
        if trace.tokens >= min_tokens:
            found.setdefault(trace.domain, []).append(index)
    grouped = [(d, group) for d, rows in found.items() for group in _by_length(rows, traces, buckets).values()]
    return [_bucket(domain, group, traces, band) for domain, group in grouped]


def _by_length(rows: Sequence[int], traces: Sequence[Scored], buckets: int) -> Mapping[int, list[int]]:
    lengths = sorted(traces[i].tokens for i in rows)
    edges = [lengths[k * len(lengths) // buckets] for k in range(1, buckets)]
    groups: dict[int, list[int]] = {}
    for index in sorted(rows, key=lambda i: (traces[i].tokens, i)):
        groups.setdefault(bisect_right(edges, traces[index].tokens), []).append(index)
    return groups


def _bucket(domain: str, group: Sequence[int], traces: Sequence[Scored], band: tuple[float, float]) -> Bucket:
    low, high = band
    members = tuple(sorted(group, key=lambda i: (traces[i].score, i)))
    kept = tuple(i for rank, i in enumerate(members) if low <= (rank + 0.5) / len(members) < high)
    return Bucket(domain, members, kept)
