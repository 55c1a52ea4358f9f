"""The gradient of the whole loss, weights to scalar, is what small changes of the weights do to it: float64, central."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from vibethinker.algorithms.mgpo import group_advantages, maxent_weight, pass_rate
from vibethinker.algorithms.surrogate import Aggregation, aggregate, clipped_surrogate, kl_penalty, truncated_importance
from vibethinker.config.model import ScratchSettings
from vibethinker.models.logprobs import token_logprobs
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.training.batching import Batch, TokenSequence, pad

pytestmark = pytest.mark.usefixtures("one_thread")

STEP = 1e-5
CLIP_LOW, CLIP_HIGH = 0.1, 0.3
TEMPERATURE = 0.7
LENGTHS = [3, 9, 1, 6, 8, 2, 5, 7]
REWARDS = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0]])

Logps = Callable[[], Tensor]


@dataclass(frozen=True)
class Case:
    how: Aggregation = "sequence"
    kl: float = 0.0
    cap: float = 0.0
    moved: float = 0.05
    """How far the policy is from that of the old log-probabilities; 0 is on-policy."""


def moved(model: Any, seed: int, size: float) -> Any:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)
    return model


def start() -> Any:
    """A tiny model with weights so large that the ratios spread."""
    scratch = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=64)
    return moved(tiny_model(scratch, tiny_tokenizer(), 3).eval(), 4, 0.05)


def exact(model: Any) -> Any:
    """In float64 all through: transformers' norms would round to float32 on the way."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__ == "Qwen2RMSNorm":
                norm = torch.nn.RMSNorm(child.weight.shape, eps=child.variance_epsilon)
                norm.weight = child.weight
                setattr(parent, name, norm)
    return model.double()


def random_batch() -> Batch:
    known = torch.ones_like(REWARDS, dtype=torch.bool)
    weight = maxent_weight(pass_rate(REWARDS == 1, known), 2.0).unsqueeze(-1)
    advantages = (weight * group_advantages(REWARDS, known, "sample")).flatten().tolist()
    generator = torch.Generator().manual_seed(1)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(3, 60, (count,), generator=generator).tolist())

    rows = [TokenSequence(tokens(4), tokens(n), a) for n, a in zip(LENGTHS, advantages, strict=True)]
    return pad(rows, 0, "cpu")


def plain_logps(model: Any, batch: Batch) -> Tensor:
    """Nothing fused and nothing chunked, in the model's precision."""
    logits = model(input_ids=batch.input_ids).logits[:, :-1] / TEMPERATURE
    chosen = logits.log_softmax(-1).gather(-1, batch.input_ids[:, 1:, None]).squeeze(-1)
    return torch.nn.functional.pad(chosen, (1, 0))


def loss_of(case: Case, batch: Batch, new: Tensor, old: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """The loss and which tokens are clipped."""
    objective, clipped = clipped_surrogate(new, old, batch.weights.to(new.dtype), CLIP_LOW, CLIP_HIGH)
    if case.cap:
        engine = old + 0.5 * torch.randn(old.shape, generator=torch.Generator().manual_seed(2))
        objective = objective * truncated_importance(old, engine, case.cap)
    if case.kl:
        objective = objective - case.kl * kl_penalty(new, old, reference)
    loss = -aggregate(objective, batch.response_mask, case.how, len(LENGTHS), sum(LENGTHS), 9)
    return loss, clipped & batch.response_mask


def slope(model: Any, loss: Callable[[], Tensor], change: list[Tensor]) -> float:
    """Of the loss along a change of all weights."""
    ends = []
    with torch.no_grad():
        for step in (STEP, -2 * STEP):
            for parameter, direction in zip(model.parameters(), change, strict=True):
                parameter += step * direction
            ends.append(loss().item())
        for parameter, direction in zip(model.parameters(), change, strict=True):
            parameter += STEP * direction
    return (ends[0] - ends[1]) / (2 * STEP)


def changes(gradients: list[Tensor]) -> list[list[Tensor]]:
    """Unit changes: three of all weights at random, and of each tensor its steepest weight and one at random."""
    generator = torch.Generator().manual_seed(6)
    found = []
    for _ in range(3):
        everywhere = [torch.randn(g.shape, generator=generator, dtype=g.dtype) for g in gradients]
        norm = torch.stack([d.norm() for d in everywhere]).norm()
        found.append([d / norm for d in everywhere])
    for index, gradient in enumerate(gradients):
        for place in (int(gradient.abs().argmax()), int(torch.randint(gradient.numel(), (1,), generator=generator))):
            single = [torch.zeros_like(g) for g in gradients]
            single[index].view(-1)[place] = 1.0
            found.append(single)
    return found


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(moved=0.0), id="on-policy"),
        pytest.param(Case(), id="clipped"),
        pytest.param(Case(kl=0.5), id="kl"),
        pytest.param(Case(moved=0.0, kl=0.5), id="kl-on-policy"),
        pytest.param(Case(cap=1.2), id="importance"),
        pytest.param(Case(how="token", kl=0.5, cap=1.2), id="token-and-all"),
        pytest.param(Case(how="fixed", kl=0.5, cap=1.2), id="fixed-and-all"),
    ],
)
def test_gradient_is_the_slope(case: Case) -> None:
    batch, before = random_batch(), exact(start())
    reference = plain_logps(before, batch).detach()
    old = plain_logps(moved(before, 7, 0.02), batch).detach()
    model = moved(before, 8, case.moved)
    new = plain_logps(model, batch)
    loss, clipped = loss_of(case, batch, new, old, reference)
    ratio = (new - old).exp()[batch.response_mask]
    for kink in (1 - CLIP_LOW, 1 + CLIP_HIGH):
        assert (ratio - kink).abs().min() > 100 * STEP, "too near a kink, where there is no one slope"
    if case.moved:
        assert clipped[batch.weights > 0].any()
        assert clipped[batch.weights < 0].any()
    gradients = list(torch.autograd.grad(loss, list(model.parameters())))
    assert max(g.abs().max().item() for g in gradients) > 0.01
    fused = start()  # as the trainer computes it: float32, the LM head fused
    fused.load_state_dict(model.state_dict())
    fused_logps, _ = token_logprobs(fused, batch.input_ids, batch.response_mask, TEMPERATURE)
    fused_loss, _ = loss_of(case, batch, fused_logps, old.float(), reference.float())
    fused_gradients = list(torch.autograd.grad(fused_loss, list(fused.parameters())))
    for change in changes(gradients):
        measured = slope(model, lambda: loss_of(case, batch, plain_logps(model, batch), old, reference)[0], change)
        found = sum((g * d).sum().item() for g, d in zip(gradients, change, strict=True))
        assert found == pytest.approx(measured, rel=1e-5, abs=1e-8)
        found = sum((g * d).sum().item() for g, d in zip(fused_gradients, change, strict=True))
        assert found == pytest.approx(measured, rel=1e-4, abs=1e-5)
