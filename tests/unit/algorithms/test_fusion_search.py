"""Search for fusion weights: candidates, the cut of the probing sets, ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.algorithms.fusion_search import best_candidate, candidate_weights, halves


@given(models=st.integers(2, 6), candidates=st.integers(1, 40), seed=st.integers(0, 2**62))
@settings(max_examples=30, deadline=None)
def test_uniform_first_then_weightings_that_the_seed_fixes(models: int, candidates: int, seed: int) -> None:
    found = candidate_weights(models, candidates, seed)
    assert found[0] == [1 / models] * models
    assert len(found) == 1 + candidates
    assert all(w >= 0 for row in found for w in row)
    assert np.sum(found, axis=1) == pytest.approx(1)
    assert found == candidate_weights(models, candidates, seed)
    assert found[1] != candidate_weights(models, candidates, seed + 1)[1]


def test_draws_cover_all_weightings_alike() -> None:
    draws = np.array(candidate_weights(3, 20_000, 0)[1:])
    assert draws.mean(axis=0) == pytest.approx(1 / 3, abs=0.01)
    # each weight is Beta(1, 2): P(w < 0.5) = 1 - 0.5^2
    assert (draws < 0.5).mean(axis=0) == pytest.approx(0.75, abs=0.015)


def test_one_model_has_one_weighting() -> None:
    assert candidate_weights(1, 32, 0) == [[1.0]]


@given(ids=st.lists(st.text(), min_size=2, unique=True), share=st.floats(0.01, 0.99), seed=st.integers(0, 2**62))
@settings(max_examples=60, deadline=None)
def test_every_problem_is_searched_on_or_held_out_whatever_the_order(ids: list[str], share: float, seed: int) -> None:
    searched, held = halves(ids, share, seed)
    assert sorted(searched + held) == sorted(ids)
    assert searched and held
    assert abs(len(searched) - share * len(ids)) <= 1
    assert (searched, held) == halves(ids[::-1], share, seed)


def test_the_seed_decides() -> None:
    ids = [f"p/{i}" for i in range(20)]
    cuts = {frozenset(halves(ids, 0.5, seed)[0]) for seed in range(5)}
    assert len(cuts) == 5
    assert {len(cut) for cut in cuts} == {10}


def test_a_single_problem_can_not_be_cut() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        halves(["a"], 0.5, 0)


def test_the_earliest_of_the_best_wins() -> None:
    assert best_candidate([0.5, 0.7, 0.7, 0.1]) == 1
    assert best_candidate([0.5, 0.5]) == 0
