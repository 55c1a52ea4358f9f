"""The key/value cache of a batch that loses rows: written in place, with room to grow, so that a token costs no copy of the rest."""

import torch
from torch import Tensor
from transformers import DynamicCache, PretrainedConfig
from transformers.cache_utils import DynamicLayer

ROOM = 64
"""Columns reserved at the least beyond those in use; long rows reserve half their length."""


class ReservedLayer(DynamicLayer):
    """Keys and values [N, heads, length, width] as views of larger buffers [at least N, heads, reserved, width]."""

    _buffers: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Appends columns [N, heads, new, width]; returns all keys and values."""
        if self._buffers is None:  # the prompts: kept as they are until each is repeated for its group
            return super().update(key_states, value_states)  # type: ignore[no-any-return]
        before, rows = self.keys.shape[-2], key_states.shape[0]
        after = before + key_states.shape[-2]
        if after > self._buffers[0].shape[-2]:
            self._reserve(self.keys, self.values, 1)
        keys, values = self._buffers
        keys[:rows, :, before:after] = key_states
        values[:rows, :, before:after] = value_states
        self.keys, self.values = keys[:rows, :, :after], values[:rows, :, :after]
        return self.keys, self.values

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Each row `repeats` times, one after the other."""
        self._reserve(self.keys, self.values, repeats)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Row i becomes what row indices[i] was. Only rows that change are copied: let the last ones fill the holes."""
        moved = (indices != torch.arange(len(indices), device=indices.device)).nonzero().squeeze(-1)
        for whole in (self.keys, self.values):
            whole[moved] = whole[indices[moved]]
        self.keys, self.values = self.keys[: len(indices)], self.values[: len(indices)]

    def _reserve(self, keys: Tensor, values: Tensor, repeats: int) -> None:
        """New buffers with room for what is there, each row `repeats` times, and for further columns."""
        rows, heads, length, width = keys.shape
        room = (rows, repeats, heads, length + max(ROOM, length // 2), width)
        pair = keys.new_empty(room), values.new_empty((*room[:-1], values.shape[-1]))
        for buffer, old in zip(pair, (keys, values), strict=True):
            buffer[:, :, :, :length] = old.unsqueeze(1)
        self._buffers = pair[0].flatten(0, 1), pair[1].flatten(0, 1)
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)


def empty_cache(config: PretrainedConfig) -> DynamicCache:
    """A cache for the model; layers without full attention (sliding windows, linear ones) keep transformers' own."""
    cache = DynamicCache(config=config)
    cache.layers = [ReservedLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
