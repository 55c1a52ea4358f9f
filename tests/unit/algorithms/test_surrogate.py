"""The loss from log-probabilities on: values worked by hand, exact expectations, and what must not overflow [A 3.4]."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from vibethinker.algorithms.surrogate import (
    Aggregation,
    aggregate,
    clipped_surrogate,
    kl_estimate,
    kl_penalty,
    truncated_importance,
)

HOWS: list[Aggregation] = ["sequence", "token", "fixed"]


def gradient(of: Tensor, by: Tensor) -> list[float]:
    (found,) = torch.autograd.grad(of.sum(), by)
    return found.flatten().tolist()


def test_clipping_on_both_signs_by_hand() -> None:
    # rows: A' = 2 and A' = -2; ratios 0.5, 1.5, 1.1; clipped at 0.8 and 1.3
    logps = torch.tensor([[0.5, 1.5, 1.1], [0.5, 1.5, 1.1]]).log().requires_grad_()
    found, clipped = clipped_surrogate(logps, torch.zeros(2, 3), torch.tensor([2.0, -2.0]), 0.2, 0.3)
    # A' > 0: 0.5 stays (a fall is not clipped), 1.5 -> 1.3; A' < 0: 0.5 -> 0.8, 1.5 stays (worse, so min keeps it)
    assert found.flatten().tolist() == pytest.approx([1.0, 2.6, 2.2, -1.6, -3.0, -2.2])
    assert clipped.tolist() == [[False, True, False], [True, False, False]]
    # d/dlogp of ratio * A' is ratio * A'; a clipped token has none
    assert gradient(found, logps) == pytest.approx([1.0, 0, 2.2, 0, -3.0, -2.2])


def test_a_ratio_of_one_is_never_clipped() -> None:
    logps = torch.tensor([[-1.0, -3.0], [-0.5, -2.0]], requires_grad=True)
    found, clipped = clipped_surrogate(logps, logps.detach(), torch.tensor([1.5, -0.5]), 1e-6, 1e-6)
    assert found.tolist() == [[1.5, 1.5], [-0.5, -0.5]]
    assert not clipped.any()
    assert gradient(found, logps) == [1.5, 1.5, -0.5, -0.5]


def test_no_advantage_no_gradient_and_nothing_clipped() -> None:
    logps = torch.tensor([[-1.0, 5.0, 2000.0, -2000.0]], requires_grad=True)
    found, clipped = clipped_surrogate(logps, torch.zeros(1, 4), torch.zeros(1), 0.2, 0.2)
    assert found.tolist() == [[0.0] * 4]
    assert not clipped.any()
    assert gradient(found, logps) == [0.0] * 4


def test_ratios_that_overflow_do_not_become_nan() -> None:
    logps = torch.tensor([[2000.0, -2000.0], [-2000.0, -2000.0]], requires_grad=True)
    found, clipped = clipped_surrogate(logps, torch.zeros(2, 2), torch.tensor([3.0, -3.0]), 0.2, 0.3)
    assert found.flatten().tolist() == pytest.approx([3.9, 0.0, -2.4, -2.4])
    assert clipped.tolist() == [[True, False], [True, True]]
    assert gradient(found, logps) == [0.0] * 4


def test_what_is_without_bound_is_infinite() -> None:
    # a token that A' < 0 speaks against has grown beyond what float holds: the step must be refused, not cut
    found, clipped = clipped_surrogate(torch.tensor([[2000.0]]), torch.zeros(1, 1), torch.tensor([-3.0]), 0.2, 0.3)
    assert found.item() == -math.inf
    assert not clipped.any()


def test_nan_is_not_hidden() -> None:
    found, clipped = clipped_surrogate(torch.tensor([[math.nan]]), torch.zeros(1, 1), torch.tensor([1.0]), 0.2, 0.2)
    assert found.isnan().all()
    assert not clipped.any()


ADVANTAGES = st.one_of(st.just(0.0), st.floats(0.01, 2), st.floats(-2, -0.01))


@given(
    st.lists(st.tuples(st.floats(-3, 3), ADVANTAGES), min_size=1, max_size=8),
    st.floats(0.01, 0.9),
    st.floats(0.01, 2),
)
@settings(max_examples=200, deadline=None)
def test_surrogate_is_the_formula(tokens: list[tuple[float, float]], low: float, high: float) -> None:
    logps = torch.tensor([[t] for t, _ in tokens], dtype=torch.float64, requires_grad=True)
    advantages = torch.tensor([a for _, a in tokens], dtype=torch.float64)
    ratios = [math.exp(t) for t, _ in tokens]
    assume(all(min(abs(r - 1 + low), abs(r - 1 - high)) > 1e-9 for r in ratios))  # no gradient at a kink
    found, clipped = clipped_surrogate(logps, torch.zeros_like(logps), advantages, low, high)
    bounds = [min(max(r, 1 - low), 1 + high) for r in ratios]
    free = [r * a <= b * a for r, b, (_, a) in zip(ratios, bounds, tokens, strict=True)]
    worst = [min(r * a, b * a) for r, b, (_, a) in zip(ratios, bounds, tokens, strict=True)]
    assert found.flatten().tolist() == pytest.approx(worst, abs=1e-12)
    assert clipped.flatten().tolist() == [not f for f in free]
    slopes = [r * a * f for r, f, (_, a) in zip(ratios, free, tokens, strict=True)]
    assert gradient(found, logps) == pytest.approx(slopes, abs=1e-12)


def test_kl_by_hand() -> None:
    # p = 1/2: q = 1/4 gives 1/2 - 1 + ln 2, q = 1/2 gives 0, q = 1 gives 2 - 1 - ln 2
    found = kl_estimate(torch.tensor([[0.5, 0.5, 0.5]]).log(), torch.tensor([[0.25, 0.5, 1.0]]).log())
    assert found.flatten().tolist() == pytest.approx([math.log(2) - 0.5, 0.0, 1 - math.log(2)])


def test_kl_of_close_models_keeps_its_digits() -> None:
    logps = torch.zeros(1, 1)  # exp(d) - d - 1 loses all digits in float32
    assert kl_estimate(logps, torch.tensor([[3e-4]])).item() == pytest.approx(4.5e-8, rel=1e-3)


@given(st.lists(st.floats(-80, 80, width=32), min_size=1, max_size=50))
@settings(max_examples=200, deadline=None)
def test_kl_is_never_negative(differences: list[float]) -> None:
    assert (kl_estimate(torch.zeros(1), torch.tensor(differences)) >= 0).all()


LOGITS = st.lists(st.floats(-3, 3), min_size=4, max_size=4).map(lambda x: torch.tensor(x, dtype=torch.float64))


@given(LOGITS, LOGITS)
@settings(max_examples=100, deadline=None)
def test_kl_is_unbiased_in_value_and_the_penalty_also_in_its_gradient(policy: Tensor, reference: Tensor) -> None:
    policy.requires_grad_()
    logps, reference_logps = policy.log_softmax(-1), reference.log_softmax(-1)
    sampled = logps.detach().exp()  # the expectation over tokens of the policy, exactly
    kl = (logps.exp() * (logps - reference_logps)).sum()
    estimate = (sampled * kl_estimate(logps, reference_logps)).sum()
    penalty = (sampled * kl_penalty(logps, logps.detach(), reference_logps)).sum()
    assert estimate.item() == pytest.approx(kl.item(), abs=1e-9)
    assert penalty.item() == pytest.approx(kl.item(), abs=1e-9)
    (slope,) = torch.autograd.grad(kl, policy, retain_graph=True)
    (of_penalty,) = torch.autograd.grad(penalty, policy, retain_graph=True)
    assert of_penalty.tolist() == pytest.approx(slope.tolist(), abs=1e-9)
    # the estimate alone pulls as KL(reference || policy) does: by p - q
    (of_estimate,) = torch.autograd.grad(estimate, policy)
    assert of_estimate.tolist() == pytest.approx((sampled - reference_logps.exp()).tolist(), abs=1e-9)


@given(LOGITS, LOGITS, LOGITS)
@settings(max_examples=100, deadline=None)
def test_the_penalty_is_unbiased_on_tokens_of_an_older_policy(new: Tensor, old: Tensor, reference: Tensor) -> None:
    logps, old_logps, reference_logps = (x.log_softmax(-1) for x in (new, old, reference))
    found = (old_logps.exp() * kl_penalty(logps, old_logps, reference_logps)).sum()
    assert found.item() == pytest.approx((logps.exp() * (logps - reference_logps)).sum().item(), abs=1e-9)


def test_importance_by_hand() -> None:
    old = torch.tensor([[0.5, 0.5, 0.9]]).log().requires_grad_()
    found = truncated_importance(old, torch.tensor([[0.5, 0.8, 0.1]]).log(), 2.0)
    assert found.flatten().tolist() == pytest.approx([1.0, 0.625, 2.0])
    assert not found.requires_grad


def test_importance_without_a_cap_and_beyond_what_float_holds() -> None:
    old, engine = torch.tensor([[0.9, 0.1]]).log(), torch.tensor([[0.1, 0.9]]).log()
    assert truncated_importance(old, engine, math.inf).flatten().tolist() == pytest.approx([9.0, 1 / 9])
    assert truncated_importance(torch.zeros(1, 1), torch.tensor([[-2000.0]]), 5.0).tolist() == [[5.0]]


def test_aggregation_by_hand() -> None:
    # an update of 4 responses and 10 tokens, of which this micro-batch holds responses of 1 and 3 tokens
    per_token = torch.tensor([[6.0, 9.0, 9.0], [1.0, 2.0, 6.0]])
    mask = torch.tensor([[1, 0, 0], [1, 1, 1]])
    found = [aggregate(per_token, mask, how, sequences=4, tokens=10, window=5).item() for how in HOWS]
    assert found == pytest.approx([(6 + 3) / 4, 15 / 10, 15 / 20])


def test_a_row_without_tokens_counts_as_a_sequence_of_nothing() -> None:
    found = aggregate(torch.ones(2, 2), torch.tensor([[True, True], [False, False]]), "sequence", 2, 2, 2)
    assert found.item() == 0.5


@pytest.mark.parametrize("how", HOWS)
def test_values_outside_the_mask_never_count(how: Aggregation) -> None:
    logps = torch.tensor([[-1.0, math.nan, math.inf, 2000.0]], requires_grad=True)
    mask = torch.tensor([[True, False, False, False]])
    objective, _ = clipped_surrogate(logps, torch.full((1, 4), -1.0), torch.tensor([-2.0]), 0.2, 0.2)
    found = aggregate(objective, mask, how, 1, 1, 1)
    assert found.item() == -2.0
    assert gradient(found, logps)[0] == -2.0


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_the_three_agree_where_every_response_fills_its_window(count: int, window: int, seed: int) -> None:
    per_token = torch.randn(count, window, generator=torch.Generator().manual_seed(seed))
    mask = torch.ones(count, window, dtype=torch.bool)
    for how in HOWS:
        found = aggregate(per_token, mask, how, count, count * window, window).item()
        assert found == pytest.approx(per_token.mean().item(), abs=1e-6)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=8), st.data(), st.sampled_from(HOWS))
@settings(max_examples=100, deadline=None)
def test_micro_batches_add_up_whatever_the_split(lengths: list[int], data: st.DataObject, how: Aggregation) -> None:
    split = data.draw(st.integers(1, len(lengths) - 1))
    silent = data.draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths)))
    mask = torch.arange(6) < torch.tensor(lengths).unsqueeze(-1)
    heard = ~torch.tensor(silent)
    per_token = torch.randn(mask.shape, dtype=torch.float64) * heard.unsqueeze(-1)
    whole = aggregate(per_token, mask, how, len(lengths), sum(lengths), 6)
    parts = [torch.arange(len(lengths)) < split, torch.arange(len(lengths)) >= split]
    shares = [  # rows without advantage left out, as the trainer does
        aggregate(per_token[p & heard], mask[p & heard], how, len(lengths), sum(lengths), 6) for p in parts
    ]
    assert sum(s.item() for s in shares) == pytest.approx(whole.item(), abs=1e-12)


def test_on_policy_gradient_is_the_policy_gradient() -> None:
    logps = torch.tensor([[-1.0, -3.0], [-0.5, -2.0]], requires_grad=True)
    objective, _ = clipped_surrogate(logps, logps.detach(), torch.tensor([1.5, -0.5]), 0.2, 0.2)
    found = aggregate(objective, torch.tensor([[True, True], [True, False]]), "sequence", 2, 3, 2)
    assert gradient(found, logps) == [0.375, 0.375, -0.25, 0.0]  # A' / (N |y|)
