"""The reserved cache against transformers' own, through everything an engine does with it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache, Gemma3TextConfig, LlamaConfig
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from vibethinker.rollout import key_values
from vibethinker.rollout.key_values import ReservedLayer, empty_cache

Steps = list[tuple[str, int]]
steps = st.lists(st.tuples(st.sampled_from(["append", "drop", "repeat"]), st.integers(1, 7)), max_size=12)


@given(steps, st.integers(0, 1000))
@settings(max_examples=150, deadline=None)
def test_holds_what_transformers_own_layer_does(steps: Steps, seed: int) -> None:
    room, key_values.ROOM = key_values.ROOM, 2  # so that it has to grow again and again
    try:
        generator = torch.Generator().manual_seed(seed)
        ours, theirs = ReservedLayer(), DynamicLayer()
        rows = 3
        for kind, number in [("append", 4), *steps]:
            if kind == "append":
                new = torch.rand(2, rows, 2, number, 3, generator=generator)
                found, expected = (layer.update(new[0].clone(), new[1].clone()) for layer in (ours, theirs))
                assert all(torch.equal(f, e) for f, e in zip(found, expected, strict=True))
            elif kind == "repeat" and rows < 20:
                ours.batch_repeat_interleave(number), theirs.batch_repeat_interleave(number)
                rows *= number
            elif kind == "drop":
                rows = max(1, rows - number)
                chosen = torch.randperm(rows, generator=generator)
                ours.batch_select_indices(chosen), theirs.batch_select_indices(chosen)
            assert torch.equal(ours.keys, theirs.keys) and torch.equal(ours.values, theirs.values)
            assert ours.get_seq_length() == theirs.get_seq_length()
            assert ours.get_mask_sizes(1) == theirs.get_mask_sizes(1)
    finally:
        key_values.ROOM = room


def test_a_token_is_written_in_place_and_only_moved_rows_are_copied() -> None:
    layer = ReservedLayer()
    layer.update(torch.rand(2, 1, 5, 4), torch.rand(2, 1, 5, 4))
    layer.batch_repeat_interleave(3)
    place = layer.keys.data_ptr()
    for _ in range(key_values.ROOM):
        layer.update(torch.rand(6, 1, 1, 4), torch.rand(6, 1, 1, 4))
    before = layer.keys.clone()
    layer.batch_select_indices(torch.tensor([0, 5, 2]))
    assert layer.keys.data_ptr() == place
    assert torch.equal(layer.keys, before[[0, 5, 2]])
    layer.update(torch.rand(3, 1, 1, 4), torch.rand(3, 1, 1, 4))
    assert layer.keys.data_ptr() != place  # room was used up
    assert layer.keys.shape == (3, 1, 6 + key_values.ROOM, 4)


def test_a_layer_that_never_gets_anything() -> None:
    layer = ReservedLayer()
    layer.batch_repeat_interleave(4)
    layer.batch_select_indices(torch.tensor([0]))
    assert layer.get_seq_length() == 0


@pytest.mark.parametrize("window", [False, True])
def test_layers_without_full_attention_keep_their_own(window: bool) -> None:
    config = Gemma3TextConfig(num_hidden_layers=2, layer_types=["sliding_attention", "full_attention"])
    cache = empty_cache(config if window else LlamaConfig(num_hidden_layers=2))
    assert isinstance(cache, DynamicCache)
    kinds = [type(layer) for layer in cache.layers]
    assert kinds == ([DynamicSlidingWindowLayer, ReservedLayer] if window else [ReservedLayer, ReservedLayer])
