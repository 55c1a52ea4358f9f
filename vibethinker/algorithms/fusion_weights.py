"""Weights of the expert fusion [A 3.3]."""

from collections.abc import Mapping, Sequence


def fusion_weights(domains: Sequence[str], given: Mapping[str, float]) -> list[float]:
    """w_i >= 0 with sum 1, in the order of domains: 1/N where none are given [A 3.3]; a domain not given weighs 0."""
    raw = [float(given.get(d, 0.0)) for d in domains] if given else [1.0] * len(domains)
    return [w / sum(raw) for w in raw]
