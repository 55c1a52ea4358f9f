"""Loops are found; texts that say a thing twice, or count up with a few words, are none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.distillation.repetition import MAX_SHARE, degenerate, repeated_share

DRAFT = (
    "The sum of the first n odd numbers is n squared, because each square grows by two rows and one corner. So with n = 12 "
    "we get 144, and the sum of the odd numbers from 1 to 23 is 144, as was to be shown in this exercise."
)


def test_by_hand() -> None:
    """A loop of four letters has four different passages; 130 of them make 130 - 63 passages."""
    loop = ("abcd" * 33)[:130]
    assert repeated_share(loop) == 1.0
    assert repeated_share(loop[:66]) == 0.0  # three passages, all different
    assert repeated_share("abcd" * 16) == 0.0  # one


@pytest.mark.parametrize("times", [1, 2, 3])
def test_what_is_said_up_to_three_times_does_not_count(times: int) -> None:
    assert repeated_share(" ".join([DRAFT] * times)) == 0.0


def test_four_times_do() -> None:
    """L - 63 passages stand there four times; those across the three borders only three times."""
    length = len(DRAFT)
    assert repeated_share(" ".join([DRAFT] * 4)) == pytest.approx(4 * (length - 63) / (4 * length + 3 - 63))


def test_a_loop_in_half_of_a_text_is_degenerate_and_in_a_tenth_is_not() -> None:
    varied = " ".join(f"Case {i}: {i**3 * 977}." for i in range(200))
    assert degenerate(varied + "But wait. " * (len(varied) // 10))
    assert not degenerate(varied + "But wait. " * (len(varied) // 100))
    assert repeated_share(varied) == 0.0


def test_white_space_hides_nothing() -> None:
    assert repeated_share((DRAFT + "\n\n  ") * 5) == repeated_share(" ".join([DRAFT] * 5)) > 0.9


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab ", max_size=400))
def test_a_share_of_any_text_lies_between_0_and_1(text: str) -> None:
    assert 0.0 <= repeated_share(text) <= 1.0
    assert degenerate(text) == (repeated_share(text) > MAX_SHARE)
