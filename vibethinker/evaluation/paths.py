"""How many distinct solution paths the correct responses of a model take."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vibethinker.algorithms.distinct_paths import (
    Features,
    expected_paths,
    group_paths,
    program_features,
    prose_features,
)
from vibethinker.records import Problem, Sample

Paths = dict[str, list[int]]
"""Problem id -> how many of its correct responses took each path, the most used first; empty where none is correct."""


def path_sizes(samples: Sequence[Sample], problems: Mapping[str, Problem]) -> dict[str, Paths]:
    """Domain -> its questions' paths. problems: id -> problem. Of a program, what was taken from the response counts."""
    found: dict[str, dict[str, list[Features]]] = {}
    for sample in samples:
        solutions = found.setdefault(sample.domain, {}).setdefault(sample.problem_id, [])
        if sample.status == "correct":
            solutions.append(_features(sample, problems[sample.problem_id]))
    return {d: {i: _sizes(solutions) for i, solutions in questions.items()} for d, questions in found.items()}


def mean_paths(paths: Paths) -> float:
    """Distinct correct paths of a question among all its samples, averaged over questions."""
    return float(np.mean([len(sizes) for sizes in paths.values()]))


def path_figures(domains: Mapping[str, Paths]) -> dict[str, dict[str, Any]]:
    """Each domain's figures, and `overall`: their means with equal weight.

    `distinct_paths` is `mean_paths`. `paths_among` compares models of which one is correct more often: m (2, 4, 8, ...) ->
    paths among m correct responses, averaged over questions with at least m; without those m that no question has
    (overall: that some domain lacks).
    """
    found: dict[str, dict[str, Any]] = {
        d: {"distinct_paths": mean_paths(paths), "paths_among": _among(paths)} for d, paths in domains.items()
    }
    shared = set.intersection(*(set(f["paths_among"]) for f in found.values()))
    among = {m: float(np.mean([f["paths_among"][m] for f in found.values()])) for m in sorted(shared, key=int)}
    every = float(np.mean([f["distinct_paths"] for f in found.values()]))
    return found | {"overall": {"distinct_paths": every, "paths_among": among}}


def _features(sample: Sample, problem: Problem) -> Features:
    if problem.verifier == "code":
        return program_features(sample.extracted or "")
    return prose_features(sample.response)


def _sizes(solutions: Sequence[Features]) -> list[int]:
    return sorted(np.bincount(group_paths(solutions)).tolist(), reverse=True) if solutions else []


def _among(paths: Paths) -> dict[str, float]:
    most = max(sum(sizes) for sizes in paths.values())
    counts = [2**i for i in range(1, most.bit_length())]
    return {
        str(m): float(np.mean([expected_paths(sizes, m) for sizes in paths.values() if sum(sizes) >= m]))
        for m in counts
    }
