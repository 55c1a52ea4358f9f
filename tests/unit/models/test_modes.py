"""Activations computed again: the same gradients from less memory, and nothing else about the model changes."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from vibethinker.config.model import ScratchSettings
from vibethinker.errors import ConfigError
from vibethinker.models.logprobs import token_logprobs
from vibethinker.models.modes import recomputing
from vibethinker.models.tiny import tiny_model, tiny_tokenizer

IDS = torch.arange(4 * 64).view(4, 64) % 250
MASK = torch.ones_like(IDS, dtype=torch.bool)
MASK[:, :8] = False


@pytest.fixture
def deep() -> Any:
    scratch = ScratchSettings(hidden_size=64, layers=8, heads=2, intermediate_size=128, max_length=64)
    return tiny_model(scratch, tiny_tokenizer(), 5).eval()


def gradients(model: Any, on: bool, precision: torch.dtype = torch.float32) -> dict[str, Tensor]:
    model.zero_grad()
    with recomputing(model, on):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            logps, _ = token_logprobs(model, IDS, MASK)
        torch.autograd.backward(logps.mean())
    return {n: p.grad.clone() for n, p in model.named_parameters()}


def peak(model: Any, on: bool) -> int:
    """Most bytes allocated at once in a forward and backward pass, above those at its start."""
    model.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        gradients(model, on)
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    most = now = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_gradients_are_the_same(deep: Any, precision: torch.dtype) -> None:
    expected = gradients(deep, False, precision)
    assert any(g.abs().max() > 0 for g in expected.values())
    for name, gradient in gradients(deep, True, precision).items():
        torch.testing.assert_close(gradient, expected[name], rtol=0, atol=0, msg=name)


def test_it_takes_less_memory(deep: Any) -> None:
    gradients(deep, False)  # what is allocated once, is
    assert peak(deep, True) < 0.5 * peak(deep, False)


def test_dropout_stays_off_and_no_random_number_is_drawn(deep: Any) -> None:
    for layer in deep.model.layers:
        layer.self_attn.attention_dropout = 0.5
    before = torch.get_rng_state()
    first, second = gradients(deep, True), gradients(deep, True)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(m.training for m in deep.modules())
    assert all(torch.equal(first[n], second[n]) for n in first)


def test_nothing_is_left_behind(deep: Any) -> None:
    asked: dict[str, Any] = {"max_new_tokens": 20, "do_sample": False, "pad_token_id": 0}
    prompt = {"input_ids": IDS[:, :8], "attention_mask": torch.ones(4, 8, dtype=torch.long)}
    before = deep.generate(**prompt, **asked)
    names = [set(vars(m)) for m in deep.modules()]
    gradients(deep, True)
    assert [set(vars(m)) for m in deep.modules()] == names
    assert torch.equal(deep.generate(**prompt, **asked), before)
    with recomputing(deep, True):  # a cache works inside too
        assert torch.equal(deep.generate(**prompt, **asked), before)


def test_it_is_taken_away_after_an_error_and_keeps_others_wrappers(deep: Any) -> None:
    layer = deep.model.layers[0]
    inner, calls = layer.forward, []
    wrapper = layer.forward = lambda *a, **k: calls.append(1) or inner(*a, **k)
    with pytest.raises(ZeroDivisionError), recomputing(deep, True):
        raise ZeroDivisionError
    assert layer.forward is wrapper
    assert "forward" not in vars(deep.model.layers[1])
    gradients(deep, True)
    assert len(calls) == 2  # forward, and again in the backward pass


def test_a_model_without_such_layers_is_refused() -> None:
    with pytest.raises(ConfigError, match="gradient_checkpointing"), recomputing(torch.nn.Linear(2, 2), True):  # type: ignore[arg-type]
        pass
    with recomputing(torch.nn.Linear(2, 2), False):  # type: ignore[arg-type]
        pass
