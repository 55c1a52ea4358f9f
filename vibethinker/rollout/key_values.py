"""The key/value cache of a batch that loses rows: written in place, with room to grow, so that a token costs no copy of the rest."""

import torch
from torch import Tensor
from transformers import DynamicCache, PretrainedConfig
from transformers.cache_utils import DynamicLayer

ROOM = 64
"""Columns reserved at the least beyond those in use; long rows reserve half their length."""

Pair = tuple[Tensor, Tensor]
"""Keys and values."""


class ReservedLayer(DynamicLayer):
    """Keys and values [M, heads, length, width] as views of buffers [at least M, heads, at least length, width]."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._buffers: Pair | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object) -> Pair:
        """Appends columns [M, heads, new, width]; returns all keys and values."""
        held = self._held()
        if held is None:  # the prompts: kept as they come until each is repeated for its group
            return super().update(key_states, value_states)
        before, rows = held[0].shape[-2], len(key_states)
        after = before + key_states.shape[-2]
        if self._buffers is None or after > self._buffers[0].shape[-2]:
            self._buffers = _reserve(held, 1, after)
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:rows, :, before:after] = new
        return self._show(rows, after)

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Each row `repeats` times, one after the other."""
        held = self._held()
        if held:
            rows, _, length, _ = held[0].shape
            self._buffers = _reserve(held, repeats, length)
            self._show(rows * repeats, length)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Row i becomes what row indices[i] was. Only rows that change are copied: let the last ones fill the holes."""
        held = self._held()
        if held:
            moved = (indices != torch.arange(len(indices), device=indices.device)).nonzero().squeeze(-1)
            for states in held:
                states[moved] = states[indices[moved]]
            self.keys, self.values = (states[: len(indices)] for states in held)

    def _held(self) -> Pair | None:
        """What is there; None before the first columns (some models have layers that never get any)."""
        return None if self.keys is None or self.values is None else (self.keys, self.values)

    def _show(self, rows: int, length: int) -> Pair:
        assert self._buffers is not None
        pair = self._buffers[0][:rows, :, :length], self._buffers[1][:rows, :, :length]
        self.keys, self.values = pair
        return pair


def _reserve(held: Pair, repeats: int, length: int) -> Pair:
    """Buffers with what is held, each row `repeats` times, and with room beyond `length` columns."""
    reserved = length + max(ROOM, length // 2)

    def enlarged(states: Tensor) -> Tensor:
        rows, heads, used, width = states.shape
        buffer = states.new_empty(rows, repeats, heads, reserved, width)
        buffer[:, :, :, :used] = states.unsqueeze(1)
        return buffer.flatten(0, 1)

    return enlarged(held[0]), enlarged(held[1])


def empty_cache(config: PretrainedConfig) -> DynamicCache:
    """A cache for the model; layers without full attention (sliding windows, linear ones) keep transformers' own."""
    cache = DynamicCache(config=config)
    cache.layers = [ReservedLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
