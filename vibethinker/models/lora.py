"""Low-rank adapters in a model, by PEFT: trained alone, merged into the weights wherever the model leaves training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from vibethinker.config.sft import LoraSettings
from vibethinker.errors import ConfigError

ADAPTER = "default"
"""The one adapter's name, in PEFT's words."""


def add_lora(model: PreTrainedModel, lora: LoraSettings, seed: int) -> None:
    """Puts adapters into the model's linear layers, in place, and freezes everything else.

    The model stays the object and the class that it was. It computes the same as before: B is zero, A is what `seed` says,
    on every device; the global random numbers are left as they were. No dropout. Raises ConfigError for modules that are
    not in the model.
    """
    from peft import LoraConfig, inject_adapter_in_model  # here, since only runs with adapters need to pay for it

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # whole or not, it is only divided by the rank
        lora_dropout=0.0,
        target_modules=_targets(model, lora.modules),
    )
    with torch.random.fork_rng(devices=[]):  # PEFT draws on the CPU, then moves
        torch.default_generator.manual_seed(seed)
        inject_adapter_in_model(config, model, ADAPTER)
    model.train(model.training)  # the new layers too


def merged_state(model: PreTrainedModel) -> dict[str, Tensor]:
    """A whole state dict under the base model's own names, adapters merged into the weights; the model's own tensors
    where there is none."""
    return base_state(model) | {f"{name}.weight": _merged(layer) for name, layer in _adapted(model)}


def base_state(model: PreTrainedModel) -> dict[str, Tensor]:
    """The model's own tensors under the base model's names, as if there were no adapters."""
    inside = [f"{name}." for name, _ in _adapted(model)]
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        layer = next((prefix for prefix in inside if name.startswith(prefix)), None)
        if layer is None:
            state[name] = tensor
        elif name.startswith(f"{layer}base_layer."):
            state[layer + name.removeprefix(f"{layer}base_layer.")] = tensor
    return state


def adapted_weights(model: PreTrainedModel) -> set[str]:
    """Names, in the base model, of the weights that have an adapter."""
    return {f"{name}.weight" for name, _ in _adapted(model)}


@contextmanager
def merged(model: PreTrainedModel) -> Iterator[None]:
    """Within it the model computes with merged weights, so as it will be saved, and at the base model's speed.

    Adding and taking away again would leave rounding behind: the base's weights are put aside, and come back as they were.
    """
    layers = [layer for _, layer in _adapted(model)]
    kept = [layer.base_layer.weight.data for layer in layers]
    try:
        for layer in layers:
            layer.base_layer.weight.data = _merged(layer)
            layer.merged_adapters.append(ADAPTER)
        yield
    finally:
        for layer, weight in zip(layers, kept, strict=True):
            layer.base_layer.weight.data = weight
            layer.merged_adapters.clear()


def _adapted(model: PreTrainedModel) -> list[tuple[str, Any]]:
    """PEFT's layers and their names in the base model."""
    return [(name, module) for name, module in model.named_modules() if hasattr(module, "lora_A")]


@torch.no_grad()
def _merged(layer: Any) -> Tensor:
    """W + alpha / rank * B A, [out, in], in the type of W."""
    assert not layer.merged_adapters, "weights that hold their adapters already"
    weight: Tensor = layer.base_layer.weight.detach()
    product: Tensor = layer.get_delta_weight(ADAPTER)
    return weight + product.to(weight.dtype)


def _targets(model: PreTrainedModel, wanted: tuple[str, ...]) -> list[str]:
    """Full names of the linear layers that get an adapter. The head is none of them: its log-probs are fused with it."""
    linear = [name for name, module in model.base_model.named_modules() if isinstance(module, nn.Linear)]
    found = sorted({name.rpartition(".")[2] for name in linear})
    if unknown := [name for name in wanted if name not in found]:
        raise ConfigError(
            f"sft.lora.modules: {unknown} are no linear layers of {type(model).__name__}'s blocks; "
            f"it has {found}: name some of these, or give [] for all"
        )
    if not linear:
        raise ConfigError(f"sft.lora: {type(model).__name__} has no linear layers for adapters; set sft.lora to null")
    prefix = next(name for name, module in model.named_modules() if module is model.base_model)
    chosen = [name for name in linear if not wanted or name.rpartition(".")[2] in wanted]
    return [f"{prefix}.{name}" if prefix else name for name in chosen]
