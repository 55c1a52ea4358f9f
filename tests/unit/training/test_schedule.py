"""Learning rates by hand."""

import math

import pytest

from vibethinker.training.schedule import constant, cosine, flat_then_linear


def test_constant() -> None:
    assert [constant(3e-4)(s) for s in (0, 7, 1000)] == [3e-4] * 3


def test_cosine_by_hand() -> None:
    rate = cosine(1.0, 0.2, warmup=0.2, steps=10)  # 2 steps up, 8 steps down
    assert rate(0) == 0.5
    assert rate(1) == 1.0
    assert rate(2) == 1.0
    assert rate(4) == pytest.approx(0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi / 4)))
    assert rate(6) == pytest.approx(0.6)  # half way
    assert rate(10) == pytest.approx(0.2)
    assert rate(11) == pytest.approx(0.2)  # and stays there


def test_cosine_without_warmup_starts_at_its_peak() -> None:
    assert cosine(1.0, 0.0, 0.0, 4)(0) == 1.0


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.5, 0.99])
def test_cosine_of_any_length_stays_in_its_bounds(steps: int, warmup: float) -> None:
    rates = [cosine(1.0, 0.1, warmup, steps)(s) for s in range(steps)]
    assert all(0 < r <= 1 for r in rates)
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def test_flat_then_linear_by_hand() -> None:
    rate = flat_then_linear(1.0, decay=0.4, steps=10)
    assert [rate(s) for s in range(10)] == pytest.approx([1.0] * 7 + [0.75, 0.5, 0.25])


def test_flat_without_decay() -> None:
    assert [flat_then_linear(1.0, 0.0, 3)(s) for s in range(3)] == [1.0] * 3


def test_all_decay() -> None:
    assert [flat_then_linear(1.0, 1.0, 4)(s) for s in range(4)] == [1.0, 0.75, 0.5, 0.25]
