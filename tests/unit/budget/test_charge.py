import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibethinker.budget.charge import MICRO, micro_dollars


@pytest.mark.parametrize(
    ("seconds", "devices", "rate", "expected"),
    [
        (3600, 1, 2.0, 2 * MICRO),
        (3600, 8, 2.0, 16 * MICRO),
        (1800, 1, 2.0, 1 * MICRO),
        (60, 8, 2.0, 266_667),  # 266,666.67 rounded up
        (0.001, 1, 2.0, 1),  # 0.56 micro-dollars are not free
        (0, 8, 2.0, 0),
        (3600 * 3, 1, 0.1, 300_000),  # 0.1 * 3 is 0.30000000000000004 in floats, but not a micro-dollar more
        (60, 8, 0.0, 0),
        (-1, 8, 2.0, 0),
    ],
)
def test_hand_computed(seconds, devices, rate, expected):
    assert micro_dollars(seconds, devices, rate) == expected


@given(st.floats(0, 1e7), st.floats(0, 1e7), st.integers(1, 4096), st.floats(0, 100))
def test_cutting_time_into_pieces_never_makes_it_cheaper(one, other, devices, rate):
    parts = micro_dollars(one, devices, rate) + micro_dollars(other, devices, rate)
    assert micro_dollars(one + other, devices, rate) <= parts + 1  # one for rounding at 1e-6
