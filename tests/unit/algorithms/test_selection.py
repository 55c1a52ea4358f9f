"""M_i* = argmax_t P_i(t) [A 3.3]."""

import random

import pytest

from vibethinker.algorithms.selection import ProbePoint, SelectionRule, select_checkpoint

POINTS = [
    ProbePoint(step=0, pass_at_1=0.10, pass_at_k=0.50),
    ProbePoint(step=10, pass_at_1=0.40, pass_at_k=0.80),
    ProbePoint(step=20, pass_at_1=0.45, pass_at_k=0.80),
    ProbePoint(step=30, pass_at_1=0.45, pass_at_k=0.80),
    ProbePoint(step=40, pass_at_1=0.50, pass_at_k=0.70),
    ProbePoint(step=50, pass_at_1=0.20, pass_at_k=0.60),
]


@pytest.mark.parametrize("rule, step", [("pass_at_k", 20), ("pass_at_1", 40), ("last", 50)])
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_rules_and_ties_whatever_the_order(rule: SelectionRule, step: int, seed: int | None) -> None:
    points = list(POINTS)
    if seed is not None:
        random.Random(seed).shuffle(points)
    assert select_checkpoint(points, rule).step == step


def test_pass_at_1_breaks_ties_by_pass_at_k() -> None:
    points = [ProbePoint(1, 0.5, 0.6), ProbePoint(2, 0.5, 0.7), ProbePoint(3, 0.5, 0.7)]
    assert select_checkpoint(points, "pass_at_1").step == 2


def test_nothing_to_choose_from() -> None:
    with pytest.raises(ValueError, match="no probed checkpoint"):
        select_checkpoint([], "pass_at_k")
