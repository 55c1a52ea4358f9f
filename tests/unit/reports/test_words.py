"""Figures as people read them."""

import pytest

from vibethinker.algorithms.statistics import Interval
from vibethinker.reports.words import duration, half_width, money, points, share, when


@pytest.mark.parametrize(
    "interval, text",
    [
        (Interval(0.5, 0.46, 0.52), "±3.0"),
        (Interval(0.5, 0.3, 0.7), "±20"),
        (Interval(0.0, 0.0, 0.194), "+19"),
        (Interval(1.0, 0.95, 1.0), "-5.0"),
    ],
)
def test_half_width_keeps_to_the_side_there_is(interval: Interval, text: str) -> None:
    assert half_width(interval) == text


def test_small_and_large_sums() -> None:
    found = [money(v) for v in (0, 0.00001, 0.00123, 0.5, 7800)]
    assert found == [
        "$0.00",
        "<$0.0001",
        "$0.0012",
        "$0.50",
        "$7,800.00",
    ]


def test_durations() -> None:
    assert [duration(v) for v in (0.44, 59.6, 600, 7200 * 3600)] == ["0.4 s", "60 s", "10.0 min", "7,200.0 h"]


def test_shares() -> None:
    assert [share(*v) for v in ((1, 4), (1, 10_000), (0, 5), (1, None))] == ["25.0%", "<0.1%", "0.0%", "-"]


def test_points_carry_signs() -> None:
    assert points(Interval(0.031, -0.002, 0.0642)) == "+3.1 points (95% interval -0.2 to +6.4)"


def test_times() -> None:
    assert when("2026-01-01T10:00:00+00:00") == "2026-01-01 10:00:00 UTC"
