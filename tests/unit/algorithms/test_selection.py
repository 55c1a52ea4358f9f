"""M_i* = argmax_t P_i(t) [A 3.3], and the rules beside it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibethinker.algorithms.selection import RULES, ProbePoint, SelectionRule, leaders, select_checkpoint

POINTS = [
    ProbePoint(step=0, pass_at_1=0.10, pass_at_k=0.50, loss=2.0),
    ProbePoint(step=10, pass_at_1=0.40, pass_at_k=0.80, loss=1.5),
    ProbePoint(step=20, pass_at_1=0.45, pass_at_k=0.80, loss=1.2),
    ProbePoint(step=30, pass_at_1=0.45, pass_at_k=0.80, loss=1.1),
    ProbePoint(step=40, pass_at_1=0.50, pass_at_k=0.70, loss=1.1),
    ProbePoint(step=50, pass_at_1=0.20, pass_at_k=0.60, loss=1.3),
]


@pytest.mark.parametrize("rule, step", [("pass_at_k", 20), ("pass_at_1", 40), ("loss", 40), ("last", 50)])
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_rules_and_ties_whatever_the_order(rule: SelectionRule, step: int, seed: int | None) -> None:
    points = list(POINTS)
    if seed is not None:
        random.Random(seed).shuffle(points)
    assert select_checkpoint(points, rule).step == step


def test_pass_at_1_breaks_ties_by_pass_at_k() -> None:
    points = [ProbePoint(1, 0.5, 0.6, None), ProbePoint(2, 0.5, 0.7, None), ProbePoint(3, 0.5, 0.7, None)]
    assert select_checkpoint(points, "pass_at_1").step == 2


def test_loss_breaks_ties_by_pass_at_1_then_by_step() -> None:
    points = [ProbePoint(1, 0.4, 0.9, 1.0), ProbePoint(2, 0.5, 0.6, 1.0), ProbePoint(3, 0.5, 0.7, 1.0)]
    assert select_checkpoint(points, "loss").step == 2


def test_a_point_without_a_loss_can_not_have_the_lowest() -> None:
    points = [ProbePoint(1, 0.4, 0.9, None), ProbePoint(2, 0.5, 0.6, 3.0), ProbePoint(3, 0.5, 0.7, None)]
    assert select_checkpoint(points, "loss").step == 2
    with pytest.raises(ValueError, match="no probed checkpoint has a held-out loss"):
        select_checkpoint(points[::2], "loss")


def test_nothing_to_choose_from() -> None:
    with pytest.raises(ValueError, match="no probed checkpoint"):
        select_checkpoint([], "pass_at_k")


def test_leaders_by_hand() -> None:
    assert leaders([POINTS]) == {20, 40, 50}
    other = [p._replace(pass_at_k=0.99 if p.step == 10 else 0.5, loss=None) for p in POINTS]
    assert leaders([POINTS, other]) == {10, 20, 40, 50}


FEW = st.sampled_from([0.0, 0.25, 0.5])  # ties are frequent


@st.composite
def trajectories(draw: st.DrawFn) -> list[list[ProbePoint]]:
    """Of one to three domains."""
    steps = draw(st.integers(1, 8))
    has_loss = draw(st.lists(st.booleans(), min_size=1, max_size=3))
    return [
        [ProbePoint(10 * (i + 1), draw(FEW), draw(FEW), draw(FEW) if traced else None) for i in range(steps)]
        for traced in has_loss
    ]


@given(trajectories())
def test_who_keeps_only_leaders_keeps_every_winner(domains: list[list[ProbePoint]]) -> None:
    kept: set[int] = set()
    for step in [p.step for p in domains[0]]:
        kept = leaders([[p for p in points if p.step in kept | {step}] for points in domains])
        assert len(kept) <= (len(RULES) - 1) * len(domains) + 1  # `last` is one for all
        assert step in kept
    for points in domains:
        winners = {
            rule: select_checkpoint(points, rule).step for rule in RULES if rule != "loss" or points[0].loss is not None
        }
        assert set(winners.values()) <= kept
