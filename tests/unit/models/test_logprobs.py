"""The fused log-probabilities against the plain ones over all logits, values and gradients."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoModelForCausalLM, CohereConfig, Gemma2Config, GraniteConfig

from vibethinker.config.model import ScratchSettings
from vibethinker.errors import ConfigError
from vibethinker.models import logprobs
from vibethinker.models.logprobs import check_head, token_logprobs
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


def distance(found: dict[str, Tensor], exact: dict[str, Tensor]) -> float:
    """Of all gradients together, relative to the exact ones."""
    whole = [torch.cat([g[n].flatten().cpu().float() for n in exact]) for g in (found, exact)]
    return ((whole[0] - whole[1]).norm() / whole[1].norm()).item()


def tiles(monkeypatch: pytest.MonkeyPatch, rows: int, columns: int) -> None:
    monkeypatch.setattr(logprobs, "_tile", lambda tokens, vocabulary, kind: (rows, columns))


@pytest.mark.parametrize("tile", [(1, 1000), (3, 1000), (8, 100), (3, 50), (1, 1), (8, 1000)])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_equals_the_plain_way(
    model: Any, tile: tuple[int, int], temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles(monkeypatch, *tile)
    expected, expected_entropies = plain(model, temperature)
    found, entropies = token_logprobs(model, IDS, MASK, temperature)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(entropies, expected_entropies, rtol=1e-5, atol=1e-5)
    assert not entropies.requires_grad
    theirs = gradients(model, expected)
    for name, gradient in gradients(model, found).items():
        torch.testing.assert_close(gradient, theirs[name], rtol=1e-4, atol=1e-5, msg=name)


@given(
    st.integers(1, 9), st.integers(2, 40), st.integers(1, 12), st.integers(1, 45), st.booleans(), st.integers(0, 999)
)
@settings(max_examples=60, deadline=None)
def test_any_tiling_of_a_head_gives_its_values_and_gradients(
    tokens: int, vocabulary: int, rows: int, columns: int, biased: bool, seed: int
) -> None:
    """In float64, by autograd over all logits; large logits, so that one token often has nearly all probability."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(tokens, 3), (vocabulary, 3), (vocabulary,)]
    hidden, weight, bias = (5 * torch.randn(s, generator=generator) for s in shapes)
    inputs = [t.requires_grad_() for t in ([hidden, weight, bias] if biased else [hidden, weight])]
    targets = torch.randint(vocabulary, (tokens,), generator=generator)
    gradient = torch.randn(tokens, generator=generator)
    with pytest.MonkeyPatch.context() as patch:
        tiles(patch, rows, columns)
        found, entropies = logprobs._LogProbs.apply(hidden, weight, bias if biased else None, targets, 0.7, True)
        ours = torch.autograd.grad(found, inputs, gradient)
    exact = [t.detach().double().requires_grad_() for t in inputs]
    logits = torch.nn.functional.linear(*exact) / 0.7
    expected = logits.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-4)
    expected_entropies = torch.distributions.Categorical(logits=logits).entropy()
    torch.testing.assert_close(entropies.double(), expected_entropies, rtol=1e-4, atol=1e-4)
    for mine, theirs in zip(ours, torch.autograd.grad(expected, exact, gradient.double()), strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-3, atol=1e-3)


def test_a_tile_is_as_large_as_the_device_allows() -> None:
    most = logprobs.TILE_ELEMENTS["cpu"]
    assert logprobs._tile(8_192, 330, "cpu") == (8_192, 330)  # one tile: 2.7M logits
    assert logprobs._tile(100, 151_936, "cpu") == (100, 151_936)
    assert logprobs._tile(8_192, 151_936, "cpu") == (2_048, 8_192)
    assert logprobs._tile(100_000, 330, "cpu") == (most // 330, 330)
    assert logprobs._tile(8_192, 151_936, "cuda") == (2_048, 32_768)
    assert logprobs._tile(0, 330, "cpu") == (1, 330)
    for tokens in (1, 77, 2_048, 2_049, 50_000):
        rows, columns = logprobs._tile(tokens, 151_936, "cpu")
        assert rows * columns <= most


def test_no_more_logits_than_a_tile_are_made(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []
    original = logprobs._logits

    def spy(hidden: Tensor, part: Tensor, *rest: Any) -> Tensor:
        shapes.append((len(hidden), len(part)))
        return original(hidden, part, *rest)

    monkeypatch.setattr(logprobs, "_logits", spy)
    monkeypatch.setitem(logprobs.TILE_ELEMENTS, "cpu", 3 * model.config.vocab_size)
    monkeypatch.setattr(logprobs, "TILE_ROWS", 3)
    vocabulary = model.config.vocab_size
    token_logprobs(model, IDS, MASK)[0].sum().backward()
    assert shapes == 2 * [(3, vocabulary), (3, vocabulary), (2, vocabulary)]  # 8 wanted tokens, forward and backward
    shapes.clear()
    monkeypatch.undo()
    monkeypatch.setattr(logprobs, "_logits", spy)
    token_logprobs(model, IDS, MASK)[0].sum().backward()
    assert shapes == [(8, vocabulary)]  # one tile: kept, not made again


def test_a_kept_tile_serves_a_second_backward(model: Any) -> None:
    logps, _ = token_logprobs(model, IDS, MASK)
    weight = model.get_output_embeddings().weight
    first, second = (torch.autograd.grad(logps.sum(), weight, retain_graph=True)[0] for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_a_gradient_of_the_gradient_is_refused() -> None:
    hidden, weight = torch.randn(2, 3, requires_grad=True), torch.randn(5, 3)
    logps, _ = logprobs._LogProbs.apply(hidden, weight, None, torch.tensor([1, 4]), 1.0, True)
    (gradient,) = torch.autograd.grad((logps**2).sum(), hidden, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_micro_batches_add_their_gradients(model: Any) -> None:
    """.grad exists already at the second backward."""
    model.zero_grad()
    token_logprobs(model, IDS, MASK)[0].sum().backward()
    whole = {n: p.grad.clone() for n, p in model.named_parameters()}
    model.zero_grad()
    for row in range(3):
        token_logprobs(model, IDS[row : row + 1], MASK[row : row + 1])[0].sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, whole[name], rtol=1e-4, atol=1e-5, msg=name)


def test_a_frozen_head_and_a_frozen_body(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles(monkeypatch, 3, 100)
    untied = untied_model()
    untied.lm_head.requires_grad_(False)
    token_logprobs(untied, IDS, MASK)[0].sum().backward()
    assert untied.lm_head.weight.grad is None
    body = untied.model.layers[0].mlp.up_proj.weight
    expected, body.grad = body.grad.clone(), None
    untied.requires_grad_(False)
    untied.lm_head.requires_grad_(True)
    token_logprobs(untied, IDS, MASK)[0].sum().backward()
    assert untied.lm_head.weight.grad.abs().sum() > 0
    assert body.grad is None
    assert expected.abs().sum() > 0


def test_without_gradient_nothing_is_kept_and_the_values_are_the_same(model: Any) -> None:
    logps, entropies = token_logprobs(model, IDS, MASK, 0.8)
    with torch.no_grad():
        again, none = token_logprobs(model, IDS, MASK, 0.8, entropy=False)
    assert not again.requires_grad
    torch.testing.assert_close(again, logps.detach(), rtol=0, atol=0)
    assert entropies.any() and not none.any()


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
    model.zero_grad()
    logps.sum().backward()  # still part of the graph: a process without a loss of its own can take part in the update
    assert not model.get_output_embeddings().weight.grad.any()


def untied_model() -> Any:
    scratch = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=64)
    tied = tiny_model(scratch, tiny_tokenizer(), 5)
    config = tied.config
    config.tie_word_embeddings = False
    return type(tied)(config).eval()


def test_an_untied_head_gets_its_gradient() -> None:
    untied = untied_model()
    token_logprobs(untied, IDS, MASK)[0].sum().backward()
    assert untied.lm_head.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("tile", [(8, 1000), (3, 50)])
def test_bfloat16_autocast_stays_near_and_is_float32(
    model: Any, tile: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles(monkeypatch, *tile)
    exact, _ = token_logprobs(model, IDS, MASK)
    gradient = gradients(model, exact)
    with torch.autocast("cpu", torch.bfloat16):
        rough, _ = token_logprobs(model, IDS, MASK)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0, atol=0.1)
    found = gradients(model, rough)
    assert {g.dtype for g in found.values()} == {torch.float32}
    assert distance(found, gradient) < 0.03


def test_bfloat16_weights_get_gradients_of_their_type(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles(monkeypatch, 3, 50)
    model = untied_model()
    exact = gradients(model, token_logprobs(model, IDS, MASK)[0])["lm_head.weight"]
    low = untied_model().to(torch.bfloat16)
    low.load_state_dict({n: t.to(torch.bfloat16) for n, t in model.state_dict().items()})
    found = gradients(low, token_logprobs(low, IDS, MASK)[0])["lm_head.weight"]
    assert found.dtype == torch.bfloat16
    assert (found.float() - exact).norm() <= 0.05 * exact.norm()


def test_many_tiles_are_summed_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """512 tokens that each give 0.5: a sum in bfloat16 stays at 128, where 0.5 is half of the last bit."""
    tiles(monkeypatch, 1, 2)
    weight = torch.zeros(2, 1, dtype=torch.bfloat16, requires_grad=True)
    hidden = torch.ones(512, 1, dtype=torch.bfloat16)
    logps, _ = logprobs._LogProbs.apply(hidden, weight, None, torch.zeros(512, dtype=torch.long), 1.0, True)
    logps.sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[256.0], [-256.0]]


def test_the_head_of_the_tiny_model_is_plain(model: Any) -> None:
    check_head(model)
    check_head(untied_model())


def small(kind: Any, **settings: Any) -> Any:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1}
    names = {"vocab_size": 64, "intermediate_size": 32, "head_dim": 32, "pad_token_id": 0}
    return AutoModelForCausalLM.from_config(kind(**sizes, **names, **settings)).eval()


@pytest.mark.parametrize(
    ("kind", "settings", "field"),
    [
        (Gemma2Config, {}, "final_logit_softcapping"),
        (GraniteConfig, {"logits_scaling": 8.0}, "logits_scaling"),
        (CohereConfig, {}, "logit_scale"),
    ],
)
def test_heads_that_do_more_are_refused(kind: Any, settings: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        check_head(small(kind, **settings))


def test_heads_that_could_do_more_but_do_not_are_taken() -> None:
    check_head(small(Gemma2Config, final_logit_softcapping=None))
    check_head(small(GraniteConfig, logits_scaling=1.0))
    check_head(small(CohereConfig, logit_scale=1.0))


def test_a_head_that_no_field_tells_of_is_refused() -> None:
    model = untied_model()
    inner = model.forward
    model.forward = lambda *a, **k: (out := inner(*a, **k)) and type(out)(logits=3 * out.logits)
    with pytest.raises(ConfigError, match="differ from its own"):
        check_head(model)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_in_bfloat16(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles(monkeypatch, 3, 48)
    exact, entropies = token_logprobs(model, IDS, MASK)
    gradient = gradients(model, exact)
    there = copy.deepcopy(model).cuda()
    with torch.autocast("cuda", torch.bfloat16):
        rough, found = token_logprobs(there, IDS.cuda(), MASK.cuda())
    torch.testing.assert_close(rough.cpu(), exact, rtol=0, atol=0.1)
    torch.testing.assert_close(found.cpu(), entropies, rtol=0, atol=0.1)
    assert distance(gradients(there, rough.cpu()), gradient) < 0.03
