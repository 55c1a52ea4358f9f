"""From verdicts to weighted advantages, against values worked by hand and against numpy [A 3.4]."""

import math
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.algorithms.mgpo import (
    STD_EPSILON,
    group_advantages,
    maxent_distance,
    maxent_weight,
    pass_rate,
)

Std = Literal["sample", "population", "none"]


def known(*shape: int) -> torch.Tensor:
    return torch.ones(shape, dtype=torch.bool)


def test_pass_rate_counts_known_verdicts_only() -> None:
    correct = torch.tensor([[True, False, False, False], [True, True, False, False], [False] * 4])
    seen = torch.tensor([[True, True, True, True], [True, True, True, False], [False] * 4])
    rates = pass_rate(correct, seen).tolist()
    assert rates[:2] == pytest.approx([1 / 4, 2 / 3])
    assert math.isnan(rates[2])


def test_an_unknown_that_claims_to_be_correct_counts_nowhere() -> None:
    assert pass_rate(torch.tensor([[True, True]]), torch.tensor([[True, False]])).item() == 1.0


def test_distance_is_zero_in_the_middle_and_ln_2_at_the_ends() -> None:
    found = maxent_distance(torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)).tolist()
    assert found == [pytest.approx(math.log(2)), 0.0, pytest.approx(math.log(2))]


def test_distance_has_no_nan_in_its_gradient_at_the_middle() -> None:
    p = torch.tensor([0.25], requires_grad=True)
    maxent_distance(p).sum().backward()
    assert p.grad is not None
    assert p.grad.item() == pytest.approx(math.log(0.25 / 0.75), rel=1e-5)  # d/dp = ln(p / (1 - p))


@pytest.mark.parametrize("lambda_me, weight", [(1, 0.73), (2, 0.53), (3, 0.39), (4, 0.28)])
def test_weight_of_one_in_eight(lambda_me: float, weight: float) -> None:
    assert maxent_weight(torch.tensor([1 / 8]), lambda_me).item() == pytest.approx(weight, abs=0.005)


def test_lambda_zero_is_grpo() -> None:
    assert maxent_weight(torch.linspace(0, 1, 9), 0.0).tolist() == [1.0] * 9


@given(st.floats(0, 1), st.floats(0, 8))
@settings(max_examples=100, deadline=None)
def test_weight_is_symmetric_and_bounded(p: float, lambda_me: float) -> None:
    both = maxent_weight(torch.tensor([p, 1 - p], dtype=torch.float64), lambda_me)
    assert both[0].item() == pytest.approx(both[1].item())
    assert 2**-lambda_me - 1e-12 <= both[0].item() <= 1 + 1e-12


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.01, 8))
@settings(max_examples=100, deadline=None)
def test_weight_is_largest_at_a_half_and_falls_on_either_side(a: float, b: float, lambda_me: float) -> None:
    near, far = sorted((a, b))
    for side in (-1, 1):
        p = torch.tensor([0.5, 0.5 + side * near, 0.5 + side * far], dtype=torch.float64)
        at_half, nearer, farther = maxent_weight(p, lambda_me).tolist()
        assert at_half == 1.0
        assert nearer >= farther - 1e-12
        if far - near > 1e-6:
            assert nearer > farther


@given(st.floats(0.01, 0.99))
@settings(max_examples=50, deadline=None)
def test_distance_is_ln_2_minus_entropy(p: float) -> None:
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    assert maxent_distance(torch.tensor(p, dtype=torch.float64)).item() == pytest.approx(
        math.log(2) - entropy, abs=1e-12
    )


def test_verl_formula_by_hand() -> None:
    # verl: (r - mean) / (std_sample + 1e-6); G = 4, one correct: mean 1/4, std sqrt((9/16 + 3/16) / 3) = 1/2
    found = group_advantages(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), known(1, 4), "sample")
    assert STD_EPSILON == 1e-6
    assert found.tolist()[0] == pytest.approx([0.75 / 0.500001, *[-0.25 / 0.500001] * 3], rel=1e-6)


def test_population_and_none_by_hand() -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 0.0]])  # population std: sqrt(3)/4
    population = group_advantages(rewards, known(1, 4), "population")
    assert population.tolist()[0] == pytest.approx([math.sqrt(3), *[-1 / math.sqrt(3)] * 3], rel=1e-5)
    assert group_advantages(rewards, known(1, 4), "none").tolist() == [[0.75, -0.25, -0.25, -0.25]]


def test_unknown_leaves_the_denominator_and_gets_nothing() -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0]])
    found = group_advantages(rewards, torch.tensor([[True, True, False]]), "none")
    assert found.tolist() == [[0.5, -0.5, 0.0]]  # the mean is 1/2, not 1/3


def test_the_reward_of_an_unknown_is_never_read() -> None:
    rewards = torch.tensor([[1.0, 0.0, math.nan, math.inf]])
    found = group_advantages(rewards, torch.tensor([[True, True, False, False]]), "none")
    assert found.tolist() == [[0.5, -0.5, 0.0, 0.0]]


@pytest.mark.parametrize("standardise", ["sample", "population", "none"])
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1.2345678])
def test_equal_rewards_are_exactly_zero(value: float, standardise: Std) -> None:
    found = group_advantages(torch.full((2, 7), value), known(2, 7), standardise)
    assert found.tolist() == [[0.0] * 7] * 2


@pytest.mark.parametrize("standardise", ["sample", "population", "none"])
def test_a_group_with_one_or_no_known_verdict_is_zero(standardise: Std) -> None:
    seen = torch.tensor([[True, False, False], [False, False, False]])
    found = group_advantages(torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]]), seen, standardise)
    assert found.tolist() == [[0.0] * 3] * 2


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.8, 1.0, 1.2]), st.booleans()), min_size=2, max_size=16),
    st.sampled_from(["sample", "population", "none"]),
)
@settings(max_examples=100, deadline=None)
def test_advantages_are_numpys_over_the_known(group: list[tuple[float, bool]], standardise: Std) -> None:
    rewards, seen = np.array([r for r, _ in group]), np.array([k for _, k in group])
    found = group_advantages(torch.tensor(rewards)[None], torch.tensor(seen)[None], standardise)[0].numpy()
    kept = rewards[seen]
    expected = np.zeros_like(rewards)
    if kept.size > 1 and np.ptp(kept) > 0:
        std = {"sample": kept.std(ddof=1), "population": kept.std(), "none": 1 - STD_EPSILON}[standardise]
        expected[seen] = (kept - kept.mean()) / (std + STD_EPSILON)
    assert found == pytest.approx(expected, abs=1e-9)


GROUPS = st.lists(st.tuples(st.sampled_from([0.0, 0.75, 1.0, 1.25]), st.booleans()), min_size=2, max_size=16)


@given(GROUPS, st.integers(-64, 64), st.sampled_from(["sample", "population", "none"]))
@settings(max_examples=100, deadline=None)
def test_advantages_are_zero_sum_and_keep_under_a_shift(
    group: list[tuple[float, bool]], shift: int, standardise: Std
) -> None:
    rewards, seen = torch.tensor([[r for r, _ in group]]), torch.tensor([[k for _, k in group]])
    found = group_advantages(rewards, seen, standardise)
    assert found.sum().item() == pytest.approx(0.0, abs=1e-5)
    assert (found[~seen] == 0).all()
    torch.testing.assert_close(group_advantages(rewards + shift, seen, standardise), found, rtol=1e-4, atol=1e-4)


def test_a_weight_on_the_reward_would_cancel() -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    weighted = group_advantages(0.5 * rewards, known(1, 4), "sample")
    torch.testing.assert_close(weighted, group_advantages(rewards, known(1, 4), "sample"), rtol=1e-5, atol=0)
