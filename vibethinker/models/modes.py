"""How a model runs for a while: with its layers' activations computed again in the backward pass instead of kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from vibethinker.errors import ConfigError


@contextmanager
def recomputing(model: PreTrainedModel, on: bool) -> Iterator[None]:
    """Within it, forward passes keep only each layer's input where `on`; the gradients are the same.

    transformers' own switch works in train() mode alone, which turns dropout on and the key/value cache off. This one
    leaves the model in eval(), draws no random numbers, and takes itself away at the end, so that a rollout engine can
    share the model. Raises ConfigError where the model has no layers of the kind.
    """
    if not on:
        yield
        return
    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    if not layers:
        raise ConfigError(
            f"gradient_checkpointing is true, but {type(model).__name__} has no layers that could be computed again; "
            "set it to false"
        )
    own = [vars(layer).get("forward") for layer in layers]
    for layer in layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
    try:
        yield
    finally:
        for layer, forward in zip(layers, own, strict=True):
            del layer.forward
            if forward is not None:
                layer.forward = forward
