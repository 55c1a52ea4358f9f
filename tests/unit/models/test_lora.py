"""Adapters: what they change, what they leave, and that merged weights are the adapted model."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from vibethinker.config.model import ScratchSettings
from vibethinker.config.sft import LoraSettings
from vibethinker.errors import ConfigError
from vibethinker.models.checkpoint import load_model, save_model
from vibethinker.models.logprobs import token_logprobs
from vibethinker.models.lora import add_lora, base_state, merged, merged_state
from vibethinker.models.modes import recomputing
from vibethinker.models.tiny import tiny_model, tiny_tokenizer

SCRATCH = ScratchSettings(hidden_size=32, layers=2, heads=1, intermediate_size=48, max_length=64)
LORA = LoraSettings(rank=3, alpha=6)
IDS = torch.randint(0, 300, (2, 11), generator=torch.Generator().manual_seed(1))


def base() -> Any:
    return tiny_model(SCRATCH, tiny_tokenizer(), 7).eval()


def untied() -> Any:
    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=False,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return LlamaForCausalLM(config).eval()


def adapted(make: Callable[[], Any] = base, lora: LoraSettings = LORA) -> Any:
    """With adapters that change the logits a good deal, as after training."""
    model = make()
    add_lora(model, lora, 5)
    draw = torch.Generator().manual_seed(2)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=draw) * 0.05
    return model


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


def test_a_new_adapter_changes_nothing_but_what_learns() -> None:
    model, before = base(), base()
    kind, head, random = type(model), model.get_output_embeddings(), torch.get_rng_state()
    add_lora(model, LORA, 5)
    assert torch.equal(logits(model), logits(before))
    assert (type(model), model.get_output_embeddings()) == (kind, head)
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(module.training for module in model.modules())
    learning = {n for n, p in model.named_parameters() if p.requires_grad}
    assert len(learning) == 2 * 2 * 7  # A and B, layers, linear layers of each
    assert all(".lora_" in name for name in learning)


def test_the_seed_fixes_the_first_values() -> None:
    def first(seed: int) -> Tensor:
        model = base()
        add_lora(model, LORA, seed)
        return model.model.layers[1].mlp.up_proj.lora_A["default"].weight

    torch.manual_seed(1)
    one = first(5)
    torch.manual_seed(2)
    assert torch.equal(one, first(5))
    assert not torch.equal(one, first(6))
    assert one.abs().max() <= 1 / math.sqrt(32) < 2 * one.abs().max()  # Kaiming's bound for 32 inputs, with a = sqrt(5)


@pytest.mark.parametrize("make", [base, untied])
def test_merged_weights_are_the_adapted_model(make: Callable[[], Any]) -> None:
    model, plain = adapted(make), make()
    plain.load_state_dict(merged_state(model))  # strict: the base model's names, all of them
    torch.testing.assert_close(logits(plain), logits(model), rtol=1e-5, atol=1e-5)
    assert (logits(plain) - logits(make())).abs().max() > 0.1


def test_one_merged_weight_by_hand() -> None:
    model = adapted()
    layer = model.model.layers[0].self_attn.q_proj
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    assert (a.shape, b.shape) == ((3, 32), (32, 3))
    expected = base().model.layers[0].self_attn.q_proj.weight + b @ a * 2  # alpha / rank
    torch.testing.assert_close(merged_state(model)["model.layers.0.self_attn.q_proj.weight"], expected)


def test_merging_leaves_the_model_as_it_was_and_shares_what_has_no_adapter() -> None:
    model = adapted(lora=LoraSettings(rank=2, alpha=2, modules=("q_proj", "down_proj")))
    before = {n: t.clone() for n, t in model.state_dict().items()}
    state = merged_state(model)
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    own = base_state(model)
    copied = {n for n, t in state.items() if t.data_ptr() != own[n].data_ptr()}
    assert copied == {f"model.layers.{i}.{n}.weight" for i in (0, 1) for n in ("self_attn.q_proj", "mlp.down_proj")}


def test_equal_to_pefts_own_merge() -> None:
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    model = adapted()
    theirs = get_peft_model(base(), LoraConfig(r=3, lora_alpha=6, target_modules="all-linear", init_lora_weights=False))
    values = {
        f"base_model.model.{n.replace('.default', '')}": t for n, t in model.state_dict().items() if ".lora_" in n
    }
    assert get_peft_model_state_dict(theirs).keys() == values.keys()
    set_peft_model_state_dict(theirs, values)
    state = theirs.merge_and_unload().state_dict()
    ours = merged_state(model)
    assert ours.keys() == state.keys()
    assert all(torch.equal(t, state[n]) for n, t in ours.items())


def test_without_adapters_it_is_the_state_dict() -> None:
    model = base()
    assert {n: t.data_ptr() for n, t in merged_state(model).items()} == {
        n: t.data_ptr() for n, t in model.state_dict().items()
    }


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_only_adapters_get_gradients_and_change(precision: torch.dtype) -> None:
    model = adapted()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    with recomputing(model, True):
        with torch.autocast("cpu", precision, enabled=precision == torch.bfloat16):
            logps, _ = token_logprobs(model, IDS, torch.arange(11).expand(2, 11) > 4)
        (-logps.sum()).backward()
    optimiser.step()
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {n for n in before if ".lora_" in n}


def test_recomputing_gives_the_same_gradients() -> None:
    found = []
    for again in (False, True):
        model = adapted()
        with recomputing(model, again):
            token_logprobs(model, IDS, torch.arange(11).expand(2, 11) > 4)[0].sum().backward()
        found.append([p.grad for p in model.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_within_merged_the_model_is_the_saved_one_and_after_it_the_same_bits(tmp_path: Path) -> None:
    model = adapted()
    before = copy.deepcopy(model.state_dict())
    save_model(tmp_path, model, tiny_tokenizer())
    expected = logits(load_model(tmp_path, "cpu"))
    alone = logits(model)
    with pytest.raises(KeyError), merged(model):
        assert torch.equal(logits(model), expected)
        raise KeyError
    assert torch.equal(logits(model), alone)
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())


@pytest.mark.parametrize("make", [base, untied])
def test_what_is_saved_has_the_base_models_layout(make: Callable[[], Any], tmp_path: Path) -> None:
    from safetensors.torch import load_file

    save_model(tmp_path / "base", make(), tiny_tokenizer())
    save_model(tmp_path / "merged", adapted(make), tiny_tokenizer())
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("base", "merged"))
    assert {n: t.shape for n, t in one.items()} == {n: t.shape for n, t in two.items()}
    assert {p.name for p in (tmp_path / "base").iterdir()} == {p.name for p in (tmp_path / "merged").iterdir()}
    assert (tmp_path / "base" / "config.json").read_text() == (tmp_path / "merged" / "config.json").read_text()


@pytest.mark.parametrize("name", ["lm_head", "q", "model.layers.0.self_attn.q_proj"])
def test_a_module_that_is_not_there_is_named_with_those_that_are(name: str) -> None:
    with pytest.raises(ConfigError, match=r"sft\.lora\.modules") as error:
        add_lora(base(), LoraSettings(rank=1, alpha=1, modules=("q_proj", name)), 1)
    assert f"['{name}']" in str(error.value)
    assert "['down_proj', 'gate_proj', 'k_proj', 'o_proj', 'q_proj', 'up_proj', 'v_proj']" in str(error.value)
