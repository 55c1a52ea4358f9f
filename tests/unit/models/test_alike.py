"""Models that can't be averaged are refused before anything is written, by setting, token or tensor."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.models.fusion_folders import INDEX, model, tokenizer, weights
from vibethinker.errors import DataError
from vibethinker.models.fuse import fuse_checkpoints

TIED = {"tie_word_embeddings": True}
EMBEDDINGS = {"model.embed_tokens.weight": torch.ones(3, 2)}
HEAD = {"lm_head.weight": torch.zeros(3, 2)}


def refused(tmp_path: Path, first: Path, second: Path, words: str) -> None:
    for pair in ([first, second], [second, first]):
        with pytest.raises(DataError, match=words):
            fuse_checkpoints(pair, [1, 1], tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


@pytest.mark.parametrize(
    "tensors, named",
    [
        ({"w": torch.zeros(2), "extra.bias": torch.zeros(1)}, r"a lacks the tensor extra\.bias that .*b has"),
        ({}, "b lacks the tensor w that .*a has"),
        ({"w": torch.zeros(3)}, r"tensor w has the shape \[[23]\] .* and \[[23]\]"),
        ({"w": torch.zeros(2, 1)}, r"tensor w has the shape"),
    ],
)
def test_other_tensors(tmp_path: Path, tensors: dict[str, Any], named: str) -> None:
    a, b = model(tmp_path / "a", {"w": torch.zeros(2)}), model(tmp_path / "b", tensors)
    refused(tmp_path, a, b, named)


@pytest.mark.parametrize(
    "key, value",
    [("architectures", ["LlamaForCausalLM"]), ("model_type", "llama"), ("hidden_size", 4), ("num_attention_heads", 3)],
)
def test_another_architecture(tmp_path: Path, key: str, value: object) -> None:
    a = model(tmp_path / "a", {"w": torch.zeros(2)}, {"num_attention_heads": 2})
    b = model(tmp_path / "b", {"w": torch.zeros(2)}, {"num_attention_heads": 2, key: value})
    refused(tmp_path, a, b, f"{key} is .* fuse models of one architecture")


@pytest.mark.parametrize(
    "vocabulary, added, words",
    [
        ({"a": 0, "b": 2}, {"<end>": 9}, r"differ in 1 tokens: 'b' has the id [12] in the first and [12] in the other"),
        ({"a": 0, "b": 1}, {"<stop>": 9}, r"differ in 2 tokens: '<end>' has the id (9|none)"),
    ],
)
def test_another_vocabulary(tmp_path: Path, vocabulary: dict[str, int], added: dict[str, int], words: str) -> None:
    a, b = (model(tmp_path / name, {"w": torch.zeros(2)}) for name in "ab")
    tokenizer(a, {"a": 0, "b": 1}, {"<end>": 9})
    tokenizer(b, vocabulary, added)
    refused(tmp_path, a, b, words)


def test_the_same_vocabulary_written_in_another_way(tmp_path: Path) -> None:
    a, b, c = (model(tmp_path / name, {"w": torch.zeros(2)}) for name in "abc")
    tokenizer(a, {"a": 0, "b": 1}, {"b": 1})
    tokenizer(b, {"b": 1, "a": 0})
    (c / "tokenizer.json").write_text(json.dumps({"model": {"vocab": [["a", -1.0], ["b", -2.0]]}}))
    fuse_checkpoints([a, b, c], [1, 1, 1], tmp_path / "out")


def test_a_tied_head_that_one_model_leaves_out(tmp_path: Path) -> None:
    a = model(tmp_path / "a", EMBEDDINGS, TIED)
    b = model(tmp_path / "b", EMBEDDINGS | {"lm_head.weight": torch.full((3, 2), 5.0)}, TIED)
    for i, pair in enumerate(([a, b], [b, a])):
        fuse_checkpoints(pair, [1, 1], tmp_path / f"out{i}")
        assert weights(tmp_path / f"out{i}").keys() == EMBEDDINGS.keys()


def test_a_head_that_all_have_is_averaged_tied_or_not(tmp_path: Path) -> None:
    for number, config in enumerate((TIED, {"tie_word_embeddings": False})):
        a = model(tmp_path / f"a{number}", EMBEDDINGS | HEAD, config)
        fuse_checkpoints([a, a], [1, 1], tmp_path / f"out{number}")
        assert weights(tmp_path / f"out{number}").keys() == {*EMBEDDINGS, *HEAD}


@pytest.mark.parametrize("config", [{"tie_word_embeddings": False}, {}])
def test_a_missing_head_that_is_not_tied(tmp_path: Path, config: dict[str, Any]) -> None:
    a, b = model(tmp_path / "a", EMBEDDINGS, config), model(tmp_path / "b", EMBEDDINGS | HEAD, config)
    refused(tmp_path, a, b, r"a lacks the tensor lm_head\.weight that .*b has .* tie_word_embeddings")


def test_tied_in_one_only(tmp_path: Path) -> None:
    a = model(tmp_path / "a", EMBEDDINGS, TIED)
    b = model(tmp_path / "b", EMBEDDINGS | HEAD, {"tie_word_embeddings": False})
    refused(tmp_path, a, b, "tie_word_embeddings is ")


def test_another_rotary_base_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    a = model(tmp_path / "a", {"w": torch.zeros(2)}, {"rope_theta": 10000.0})
    b = model(tmp_path / "b", {"w": torch.zeros(2)}, {"rope_parameters": {"rope_theta": 10000.0}})
    c = model(tmp_path / "c", {"w": torch.zeros(2)}, {"rope_parameters": {"rope_theta": 1e6}})
    with caplog.at_level(logging.WARNING):
        fuse_checkpoints([a, b], [1, 1], tmp_path / "out")
        assert not caplog.records
        fuse_checkpoints([a, c], [1, 1], tmp_path / "other")
    assert "rope_theta is 10000.0 in" in caplog.text


def test_dtypes_that_cannot_be_averaged(tmp_path: Path) -> None:
    a = model(tmp_path / "a", {"w": torch.zeros(2)})
    b = model(tmp_path / "b", {"w": torch.zeros(2, dtype=torch.int8)})
    refused(tmp_path, a, b, "tensor w in .*b/model.safetensors has the dtype I8")


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def no_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)


def no_json(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes((3).to_bytes(8, "little") + b"{{{")


def no_entry(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes((10).to_bytes(8, "little") + b'{"w": [1]}')


def no_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / INDEX).write_text('{"weight_map": {"w": "x.safetensors"}}')


def other_shard(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "x.safetensors")
    (folder / INDEX).write_text('{"weight_map": {"v": "x.safetensors"}}')


def no_map(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / INDEX).write_text("{}")


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def bad_config(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def test_no_folder(tmp_path: Path) -> None:
    refused(tmp_path, model(tmp_path / "a", {"w": torch.zeros(2)}), tmp_path / "none", "none is no folder")


@pytest.mark.parametrize(
    "damage, words",
    [
        (cut, "cut short .* tensor w"),
        (no_header, "no whole safetensors file"),
        (no_json, "can't be read"),
        (no_entry, "entry of tensor w"),
        (no_shard, "x.safetensors can't be read"),
        (other_shard, "tensor v is in x.safetensors, but it isn't"),
        (no_map, "no weight_map"),
        (no_weights, "neither model.safetensors nor"),
        (no_config, "no config.json"),
        (bad_config, "holds a list"),
    ],
)
def test_damaged_folders(tmp_path: Path, damage: Any, words: str) -> None:
    a, b = (model(tmp_path / name, {"w": torch.zeros(2)}) for name in "ab")
    damage(b)
    refused(tmp_path, a, b, words)
