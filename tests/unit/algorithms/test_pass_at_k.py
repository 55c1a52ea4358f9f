"""The unbiased estimator against the definition."""

from itertools import combinations

import numpy as np
import pytest

from vibethinker.algorithms.pass_at_k import pass_at_k


@pytest.mark.parametrize("n, c, k", [(n, c, k) for n in (1, 3, 6) for c in range(n + 1) for k in range(1, n + 1)])
def test_equals_the_share_of_draws_with_a_correct_one(n: int, c: int, k: int) -> None:
    draws = [any(i < c for i in draw) for draw in combinations(range(n), k)]
    assert float(pass_at_k(n, c, k)) == pytest.approx(sum(draws) / len(draws), abs=1e-12)


def test_by_hand() -> None:
    # 1 - C(6, 4) / C(8, 4) = 1 - 15/70
    assert float(pass_at_k(8, 2, 4)) == pytest.approx(55 / 70)


def test_arrays_and_exact_ends() -> None:
    found = pass_at_k(np.array([64, 64, 64, 8]), np.array([0, 1, 57, 8]), 8)
    assert found[0] == 0.0 and found[2] == 1.0 and found[3] == 1.0
    assert found[1] == pytest.approx(8 / 64)


def test_large_n_is_stable() -> None:
    found = float(pass_at_k(20_000, 1, 10_000))
    assert found == pytest.approx(0.5)


@pytest.mark.parametrize("n, c, k", [(3, 1, 4), (3, 1, 0), (3, 4, 1), (3, -1, 1)])
def test_impossible_counts_are_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError):
        pass_at_k(n, c, k)
