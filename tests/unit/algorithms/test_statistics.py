"""Intervals against hand-computed values, and their coverage on simulated questions."""

import numpy as np
import pytest

from vibethinker.algorithms.statistics import (
    mean_interval,
    stratified_interval,
    stratified_paired_interval,
)


def paired_interval(a, b):
    """One domain."""
    return stratified_paired_interval([a], [b])


def test_two_questions_give_the_outcomes_of_their_resamples() -> None:
    # Means of two draws from {0, 1}: 0, 1/2, 1 with chances 1/4, 1/2, 1/4, so the 2.5% and 97.5% points are the ends.
    found = mean_interval([0.0, 1.0])
    assert (found.mean, found.low, found.high) == (0.5, 0.0, 1.0)


def test_half_width_is_near_two_clustered_standard_errors() -> None:
    values = np.tile([0.25, 0.75], 200)
    found = mean_interval(values)
    assert found.mean == 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.25 / 20, rel=0.05)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_equal_ends_give_wilson(value: float) -> None:
    found = mean_interval(np.full(16, value))
    wilson = 1.959964**2 / (16 + 1.959964**2)  # upper bound for 0 of 16: 0.1936
    expected = (0.0, wilson) if value == 0 else (1 - wilson, 1.0)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-6)


def test_all_equal_inside_is_wider_than_nothing_but_not_than_wilson() -> None:
    found = mean_interval(np.full(16, 0.5))
    assert (found.low, found.high) == pytest.approx((0.5 - 0.0968, 0.5 + 0.0968), abs=1e-4)


def test_one_question_says_nothing() -> None:
    assert (mean_interval([0.3]).low, mean_interval([0.3]).high) == (0.0, 1.0)
    assert (paired_interval([0.3], [0.1]).low, paired_interval([0.3], [0.1]).high) == (-1.0, 1.0)


def test_the_first_solved_questions_narrow_the_interval_step_by_step() -> None:
    highs = [mean_interval([1 / 16] * solved + [0.0] * (20 - solved)).high for solved in range(6)]
    assert highs[0] == pytest.approx(0.1611, abs=1e-4)  # Wilson for 0 of 20
    # One solved: 4/5 of Wilson's share beside the bootstrap's, nearly all of the width.
    assert highs[1] == pytest.approx(1 / 320 + np.hypot(0.8 * 0.1611, 0.00625), abs=2e-3)
    assert highs[:5] == sorted(highs[:5], reverse=True)
    assert highs[5] == pytest.approx(0.0281, abs=4e-3)  # the bootstrap alone: 9 of 20 draws


def test_pairing_removes_what_questions_share() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(300) * 0.8
    found = paired_interval(hard + 0.1 + rng.normal(0, 0.02, 300), hard)
    assert found.low > 0.09 and found.high < 0.11
    assert mean_interval(hard).high - mean_interval(hard).low > 5 * (found.high - found.low)


def test_identical_models_do_not_get_a_point_interval() -> None:
    found = paired_interval(np.full(30, 0.5), np.full(30, 0.5))
    assert (
        found.mean == 0
        and found.low == pytest.approx(-0.1135, abs=1e-4)
        and found.high == pytest.approx(0.1135, abs=1e-4)
    )


def test_domains_weigh_the_same_whatever_their_size() -> None:
    found = stratified_interval([np.tile([0.0, 1.0], 500), np.full(10, 1.0)])
    assert found.mean == 0.75
    # Half of the constant domain's Wilson width (0.2775 below, 0 above), in quadrature with half of the other's 0.031.
    assert found.low == pytest.approx(0.75 - np.hypot(0.1388, 0.0155), abs=2e-3)
    assert found.high == pytest.approx(0.75 + 0.0155, abs=2e-3)


def test_stratified_pairs_need_the_same_questions() -> None:
    with pytest.raises(ValueError, match="same questions"):
        stratified_paired_interval([np.zeros(3), np.zeros(4)], [np.zeros(3), np.zeros(5)])


@pytest.mark.parametrize("values", [[], [[0.5]], [0.5, 1.2], [0.5, float("nan")]])
def test_wrong_values_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"per.question"):
        mean_interval(values)


def test_the_seed_makes_it_repeatable() -> None:
    values = np.random.default_rng(1).random(40)
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3) != mean_interval(values, seed=4)


def _share(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


def test_coverage_of_the_mean() -> None:
    """Questions of Beta(1, 2) difficulty (mean 1/3), 8 samples each: about 95% of the intervals hold the truth."""
    rng = np.random.default_rng(2)
    hits = []
    for _ in range(400):
        values = rng.binomial(8, rng.beta(1, 2, 40)) / 8
        found = mean_interval(values)
        hits.append(found.low <= 1 / 3 <= found.high)
    assert 0.90 <= _share(hits) <= 0.98


def test_coverage_of_the_stratified_pair() -> None:
    """Three domains of different sizes; the second model is 0.1 better on every question."""
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(400):
        easy = [rng.uniform(0, 0.9, n) for n in (20, 40, 80)]
        before = [rng.binomial(8, p) / 8 for p in easy]
        after = [rng.binomial(8, p + 0.1) / 8 for p in easy]
        found = stratified_paired_interval(after, before)
        hits.append(found.low <= 0.1 <= found.high)
    assert 0.90 <= _share(hits) <= 0.98
