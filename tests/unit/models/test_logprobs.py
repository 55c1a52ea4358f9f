"""The fused log-probabilities against the plain ones over all logits, values and gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor

from vibethinker.config.model import ScratchSettings
from vibethinker.models import logprobs
from vibethinker.models.logprobs import token_logprobs
from vibethinker.models.tiny import tiny_model, tiny_tokenizer

IDS = torch.tensor([[5, 9, 40, 77, 120, 33], [8, 200, 31, 2, 0, 0], [17, 60, 61, 0, 0, 0]])
ATTENTION = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0]])
MASK = torch.tensor([[0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 0, 0], [0, 0, 1, 0, 0, 0]], dtype=torch.bool)


@pytest.fixture(scope="module")
def model() -> Any:
    scratch = ScratchSettings(hidden_size=32, layers=2, heads=1, intermediate_size=32, max_length=64)
    return tiny_model(scratch, tiny_tokenizer(), 5).eval()


def plain(model: Any, temperature: float) -> tuple[Tensor, Tensor]:
    """All logits at once, nothing shared with the code under test."""
    logits = model(input_ids=IDS, attention_mask=ATTENTION).logits[:, :-1] / temperature
    logps = torch.log_softmax(logits, -1)
    chosen = torch.zeros(IDS.shape)
    chosen[:, 1:] = logps.gather(-1, IDS[:, 1:, None]).squeeze(-1)
    entropies = torch.zeros(IDS.shape)
    entropies[:, 1:] = torch.distributions.Categorical(logits=logits).entropy()
    return torch.where(MASK, chosen, 0.0), torch.where(MASK, entropies, 0.0)


def gradients(model: Any, logps: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    (logps * torch.linspace(-1, 2, logps.numel()).view_as(logps)).sum().backward()
    return {n: p.grad.clone() for n, p in model.named_parameters()}


@pytest.mark.parametrize("chunk_rows", [1, 3, 8, 1000])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_equals_the_plain_way(model: Any, chunk_rows: int, temperature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logprobs, "CHUNK_ELEMENTS", chunk_rows * model.config.vocab_size)
    expected, expected_entropies = plain(model, temperature)
    found, entropies = token_logprobs(model, IDS, MASK, temperature)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(entropies, expected_entropies, rtol=1e-5, atol=1e-5)
    assert not entropies.requires_grad
    theirs = gradients(model, expected)
    for name, gradient in gradients(model, found).items():
        torch.testing.assert_close(gradient, theirs[name], rtol=1e-4, atol=1e-5, msg=name)


def test_chunks_smaller_than_a_row_still_work(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logprobs, "CHUNK_ELEMENTS", 1)
    with torch.no_grad():
        torch.testing.assert_close(token_logprobs(model, IDS, MASK)[0], plain(model, 1.0)[0])


def test_no_more_logits_than_a_chunk_are_made(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    original = logprobs._chunk

    def spy(hidden: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
        sizes.append(hidden.shape[0])
        return original(hidden, *rest)

    monkeypatch.setattr(logprobs, "CHUNK_ELEMENTS", 3 * model.config.vocab_size)
    monkeypatch.setattr(logprobs, "_chunk", spy)
    with torch.no_grad():
        token_logprobs(model, IDS, MASK)
    assert sizes == [3, 3, 2]  # 8 wanted tokens


def test_padding_changes_nothing(model: Any) -> None:
    with torch.no_grad():
        together, _ = token_logprobs(model, IDS, MASK)
        alone, _ = token_logprobs(model, IDS[1:2, :4], MASK[1:2, :4])
        other = torch.where(ATTENTION.bool(), IDS, 99)
        repadded, _ = token_logprobs(model, other, MASK)
    torch.testing.assert_close(together[1, :4], alone[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(repadded, together, rtol=1e-6, atol=1e-6)


def test_nothing_wanted_gives_zeros(model: Any) -> None:
    logps, entropies = token_logprobs(model, IDS, torch.zeros_like(MASK))
    assert not logps.any() and not entropies.any()
    assert logps.shape == IDS.shape


def test_an_untied_head_gets_its_gradient() -> None:
    scratch = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=64)
    tied = tiny_model(scratch, tiny_tokenizer(), 5)
    config = tied.config
    config.tie_word_embeddings = False
    untied = type(tied)(config).eval()
    token_logprobs(untied, IDS, MASK)[0].sum().backward()
    assert untied.lm_head.weight.grad.abs().sum() > 0


def test_bfloat16_autocast_stays_near_and_is_float32(model: Any) -> None:
    with torch.no_grad():
        exact, _ = token_logprobs(model, IDS, MASK)
        with torch.autocast("cpu", torch.bfloat16):
            rough, _ = token_logprobs(model, IDS, MASK)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0, atol=0.1)
