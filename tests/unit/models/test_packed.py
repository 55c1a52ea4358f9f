"""Documents in one row: the numbers that each has alone, and nothing from one to another."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from vibethinker.errors import ConfigError
from vibethinker.models import packed
from vibethinker.models.logprobs import token_logprobs
from vibethinker.models.modes import recomputing
from vibethinker.models.packed import check_packing, check_window, is_packed, lay_out, packed_row
from vibethinker.models.precision import forward_type

KINDS = {
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
    "llama": (LlamaConfig, LlamaForCausalLM),
}
LENGTHS = (40, 33, 20, 19, 18, 6, 6, 1)


def build(config: Any, kind: Any, **changes: Any) -> Any:
    torch.manual_seed(4)
    sizes = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
    return kind(config(**sizes | heads | changes)).eval()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """So small matrices are no faster with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    """Grouped-query attention, in float64: what is left is rounding."""
    return build(*KINDS[request.param]).double()


def row(lengths: Sequence[int], seed: int = 1) -> Tensor:
    return torch.randint(0, 50, (1, sum(lengths)), generator=torch.Generator().manual_seed(seed))


def hidden(model: Any, ids: Tensor) -> Tensor:
    found: Tensor = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return found


def gradients(model: Any, output: Tensor) -> dict[str, Tensor]:
    """Of a sum in which every element of the output has another weight."""
    model.zero_grad()
    weights = torch.randn(output.shape, dtype=output.dtype, generator=torch.Generator().manual_seed(2))
    (output * weights).sum().backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("again, alone", [(False, 512), (True, 20)])
def test_hidden_states_and_gradients_are_those_of_each_document(
    model: Any, again: bool, alone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "ALONE", alone)
    ids = row(LENGTHS)
    expected = torch.cat([hidden(model, part) for part in ids.split(LENGTHS, 1)], 1)
    reference = gradients(model, expected)
    with recomputing(model, again), packed_row(model, LENGTHS):
        found = hidden(model, ids)
        ours = gradients(model, found)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert ours.keys() == reference.keys()
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, reference[name], rtol=1e-11, atol=1e-11, msg=name)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_any_lengths_in_any_order(lengths: list[int], seed: int) -> None:
    model = build(*KINDS["llama"], num_hidden_layers=1).double()
    ids = row(lengths, seed)
    expected = torch.cat([hidden(model, part) for part in ids.split(lengths, 1)], 1)
    with packed_row(model, lengths):
        torch.testing.assert_close(hidden(model, ids), expected, rtol=1e-12, atol=1e-12)


def test_a_document_does_not_see_another(model: Any) -> None:
    """Not one bit of the others changes with the tokens of one."""
    ids = row(LENGTHS)
    changed = ids.clone()
    changed[:, 40:73] = (changed[:, 40:73] + 7) % 50
    with packed_row(model, LENGTHS):
        before, after = hidden(model, ids), hidden(model, changed)
    same = (before == after).all(-1)[0]
    assert same[:40].all()
    assert same[73:].all()
    assert not same[40:73].any()


def test_bfloat16_is_as_near_as_rows_of_their_own(model: Any) -> None:
    model = model.float()
    ids = row(LENGTHS)
    parts = ids.split(LENGTHS, 1)
    exact = torch.cat([hidden(model, part) for part in parts], 1)
    with forward_type(model, "bfloat16"):
        own = torch.cat([hidden(model, part) for part in parts], 1)
        with packed_row(model, LENGTHS):
            together = hidden(model, ids)
            grown = gradients(model, together)
    assert (together - exact).abs().mean() <= 1.2 * (own - exact).abs().mean()
    assert all(g.isfinite().all() for g in grown.values())
    model.double()


def test_log_probabilities_in_one_row(model: Any) -> None:
    """By the fused head, where the first token of a document follows the last of another."""
    ids, mask = row(LENGTHS), torch.ones(1, sum(LENGTHS), dtype=torch.bool)
    for start in [sum(LENGTHS[:i]) for i in range(len(LENGTHS))]:
        mask[0, start] = False
    with torch.no_grad(), packed_row(model, LENGTHS):
        found, _ = token_logprobs(model, ids, mask, entropy=False)
    for own, part in zip(found.split(LENGTHS, 1), ids.split(LENGTHS, 1), strict=True):
        theirs = model(input_ids=part).logits.log_softmax(-1)[0, :-1].gather(-1, part[0, 1:, None]).squeeze(-1)
        torch.testing.assert_close(own[0, 1:].double(), theirs, rtol=1e-5, atol=1e-5)
        assert own[0, 0] == 0


def test_groups_by_hand() -> None:
    layout = lay_out([600, 600, 590, 64, 57, 40, 40, 24, 8], torch.device("cpu"))
    # 600 and more: equal lengths only. 590: alone. 64: down to 48; 40: down to 24 (16 is always allowed); 8 is apart
    assert [(g.documents, g.longest, g.spread is None) for g in layout.groups] == [
        (2, 600, True),
        (1, 590, True),
        (2, 64, False),
        (3, 40, False),
        (1, 8, True),
    ]
    assert layout.tokens == (1200, 590, 121, 104, 8)
    assert layout.positions[0, 1788:1792].tolist() == [588, 589, 0, 1]
    (small,) = lay_out([3, 1], torch.device("cpu")).groups
    assert small.spread is not None
    assert small.back is not None
    assert small.spread.tolist() == [0, 1, 2, 3, 3, 3]
    assert small.back.tolist() == [0, 1, 2, 3]


def test_the_model_is_as_before_outside(model: Any) -> None:
    own = model.config._attn_implementation
    ids = row(LENGTHS)
    expected = hidden(model, ids)
    assert not is_packed(model)
    with pytest.raises(KeyError), packed_row(model, LENGTHS):
        assert is_packed(model)
        raise KeyError
    assert model.config._attn_implementation == own
    assert torch.equal(hidden(model, ids), expected)
    with packed_row(model, []):  # padded rows
        assert not is_packed(model)


def test_models_of_causal_attention_pass(model: Any) -> None:
    check_packing(model)
    check_packing(model.float())
    model.double()


def test_a_window_must_hold_the_longest_document() -> None:
    model = build(MistralConfig, MistralForCausalLM, sliding_window=16)
    check_packing(model)
    ids = row([17, 3])
    with packed_row(model, [16, 4]):
        found = hidden(model, ids)
    torch.testing.assert_close(found[:, 16:], hidden(model, ids[:, 16:]))
    check_window(model, 16)
    with pytest.raises(ConfigError, match=r"a document has 17 tokens, .* last 16 only; set it"):
        check_window(model, 17)


def test_a_model_that_carries_a_state_along_is_refused() -> None:
    model = MambaForCausalLM(MambaConfig(vocab_size=50, hidden_size=32, num_hidden_layers=1, state_size=4)).eval()
    with pytest.raises(ConfigError, match=r"MambaForCausalLM .*; SFT packs its documents, take a model with causal"):
        check_packing(model)


def test_attention_that_is_not_causal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(*KINDS["llama"])
    monkeypatch.setattr(model.model.layers[1].self_attn, "is_causal", False)
    with pytest.raises(ConfigError, match="LlamaAttention is no plain causal attention"):
        check_packing(model)


def test_the_check_is_of_numbers_whatever_makes_them_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(*KINDS["llama"], initializer_range=1.0)
    check_packing(model)
    monkeypatch.setattr(packed, "lay_out", lambda lengths, device: lay_out([sum(lengths)], device))
    with pytest.raises(ConfigError, match=r"LlamaForCausalLM gives documents in one row .* nats off"):
        check_packing(model)
