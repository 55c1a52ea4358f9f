"""Long2Short against values worked by hand and its promises [B]."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.algorithms.long2short import long2short_rewards


def shaped(correct: list[bool], lengths: list[int], lambda_len: float = 0.2) -> list[float]:
    flags = torch.tensor([correct])
    return long2short_rewards(flags.float(), flags, torch.tensor([lengths]), lambda_len)[0].tolist()


def expected(correct: list[bool], lengths: list[int], lambda_len: Fraction) -> list[float]:
    """The formula in exact fractions."""
    inverse = {i: Fraction(1, n) for i, (n, c) in enumerate(zip(lengths, correct, strict=True)) if c}
    centred = {i: s - sum(inverse.values()) / len(inverse) for i, s in inverse.items()}
    scale = max((abs(c) for c in centred.values()), default=0)
    return [float(Fraction(c) + (lambda_len * centred[i] / scale if c and scale else 0)) for i, c in enumerate(correct)]


def test_by_hand() -> None:
    # s = 1/10, 1/20, 1/40: mean 7/120, deviations 5/120, -1/120, -4/120, so 1, -0.2, -0.8 of the largest
    assert shaped([True, True, False, True], [10, 20, 5, 40]) == pytest.approx([1.2, 0.96, 0.0, 0.84])


@pytest.mark.parametrize(
    "correct, lengths",
    [
        ([True, True, True], [30, 30, 30]),
        ([True, True, False], [30, 30, 1]),
        ([True, False, False], [3, 20, 40]),
        ([False, False, False], [3, 20, 40]),
        ([True, True, True], [49, 49, 49]),  # the mean of three equal float32 inverses may be off by a bit
    ],
)
def test_unchanged_exactly(correct: list[bool], lengths: list[int]) -> None:
    assert shaped(correct, lengths) == [float(c) for c in correct]


def test_lambda_zero_changes_nothing() -> None:
    assert shaped([True, True], [3, 9], 0.0) == [1.0, 1.0]


def test_lengths_of_incorrect_responses_do_not_matter() -> None:
    assert shaped([True, True, False], [10, 20, 1]) == shaped([True, True, False], [10, 20, 40_000])


def test_the_order_inside_a_group_does_not_matter() -> None:
    forth, back = shaped([True, False, True, True], [7, 3, 90, 11]), shaped([True, True, False, True], [11, 90, 3, 7])
    assert forth == pytest.approx(back[::-1])


def test_groups_do_not_touch_each_other() -> None:
    flags = torch.tensor([[True, True], [True, True]])
    found = long2short_rewards(flags.float(), flags, torch.tensor([[10, 20], [500, 500]]), 0.2)
    assert found.tolist() == [pytest.approx([1.2, 0.8]), [1.0, 1.0]]


def test_long_responses_of_nearly_equal_length_keep_their_digits() -> None:
    correct, lengths = [True] * 8, [40_000, 40_001, 40_002, 40_000, 40_001, 40_000, 40_000, 40_000]
    assert shaped(correct, lengths) == pytest.approx(expected(correct, lengths, Fraction(1, 5)), abs=1e-5)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 40_960)), min_size=2, max_size=16),
    st.sampled_from([Fraction(1, 5), Fraction(1, 2), Fraction(1)]),
)
@settings(max_examples=100, deadline=None)
def test_promises(group: list[tuple[bool, int]], lambda_len: Fraction) -> None:
    correct, lengths = [c for c, _ in group], [n for _, n in group]
    found = shaped(correct, lengths, float(lambda_len))
    assert found == pytest.approx(expected(correct, lengths, lambda_len), abs=1e-5)
    assert sum(found) == pytest.approx(sum(correct), abs=1e-4)  # zero-sum inside C
    assert all(r == 0.0 for r, c in zip(found, correct, strict=True) if not c)
    shifts = [abs(r - 1) for r, c in zip(found, correct, strict=True) if c]
    uneven = len({n for n, c in zip(lengths, correct, strict=True) if c}) > 1
    assert max(shifts, default=0.0) == pytest.approx(float(lambda_len) if uneven else 0.0, abs=1e-6)
    inside = sorted((n, -r) for r, c, n in zip(found, correct, lengths, strict=True) if c)
    assert [r for _, r in inside] == sorted(r for _, r in inside)  # shorter is never worse
