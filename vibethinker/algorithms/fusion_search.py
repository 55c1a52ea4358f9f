"""Search for fusion weights: what is tried, on which problems, and which wins. The report takes 1/N [A 3.3]; this is ours."""

from collections.abc import Sequence

import numpy as np


def candidate_weights(models: int, candidates: int, seed: int) -> list[list[float]]:
    """Uniform weights first, then draws that are uniform over all weightings (Dirichlet with all ones): [1 + candidates][models].

    One model has only one weighting.
    """
    if models == 1:
        return [[1.0]]
    draws = np.random.default_rng(seed).dirichlet(np.ones(models), candidates)
    return [[1 / models] * models, *draws.tolist()]


def halves(ids: Sequence[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """(searched, held out): round(share * n) ids of a seeded order, whatever order they come in; each gets one at least.

    Raises ValueError for fewer than two ids.
    """
    if len(ids) < 2:
        raise ValueError(f"{len(ids)} probing problems can't be cut in two; give at least 2")
    ordered = sorted(ids)
    shuffled = [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]
    count = min(max(round(share * len(ordered)), 1), len(ordered) - 1)
    return shuffled[:count], shuffled[count:]


def best_candidate(scores: Sequence[float]) -> int:
    """The first of the highest scores, so that the uniform weights win ties."""
    return int(np.argmax(scores))
