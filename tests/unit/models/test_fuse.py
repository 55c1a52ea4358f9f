"""Fusion of checkpoints on disk [A 3.3]."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vibethinker.errors import DataError
from vibethinker.models.fuse import fuse_checkpoints


def expert(folder: Path, **tensors: torch.Tensor) -> Path:
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    return folder


def test_average_by_hand(tmp_path: Path) -> None:
    a = expert(tmp_path / "a", w=torch.tensor([[1.0, 2.0]]), b=torch.tensor([0.0]))
    b = expert(tmp_path / "b", w=torch.tensor([[5.0, -2.0]]), b=torch.tensor([8.0]))
    assert fuse_checkpoints([a, b], [0.25, 0.75], tmp_path / "out.safetensors") == 2
    fused = load_file(tmp_path / "out.safetensors")
    assert {n: t.tolist() for n, t in fused.items()} == {"w": [[4.0, -1.0]], "b": [6.0]}


def test_many_experts_against_numpy(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn(7, 5, generator=generator) for _ in range(5)]
    folders = [expert(tmp_path / str(i), w=v) for i, v in enumerate(values)]
    fuse_checkpoints(folders, [0.2] * 5, tmp_path / "out.safetensors")
    torch.testing.assert_close(
        load_file(tmp_path / "out.safetensors")["w"].double(),
        torch.stack(values).double().mean(0),
        rtol=1e-6,
        atol=1e-6,
    )


def test_bfloat16_stays_bfloat16(tmp_path: Path) -> None:
    folders = [
        expert(tmp_path / str(i), w=torch.tensor([v], dtype=torch.bfloat16)) for i, v in enumerate([1.0, 1 + 1 / 64])
    ]
    fuse_checkpoints(folders, [0.5, 0.5], tmp_path / "out.safetensors")
    fused = load_file(tmp_path / "out.safetensors")["w"]
    assert fused.dtype == torch.bfloat16
    assert fused.item() == 1 + 1 / 128


def test_an_expert_of_weight_one_comes_back(tmp_path: Path) -> None:
    a, b = expert(tmp_path / "a", w=torch.tensor([0.1])), expert(tmp_path / "b", w=torch.tensor([9.0]))
    fuse_checkpoints([a, b], [1.0, 0.0], tmp_path / "out.safetensors")
    assert torch.equal(load_file(tmp_path / "out.safetensors")["w"], torch.tensor([0.1]))


@pytest.mark.parametrize(
    "tensors, named",
    [
        ({"w": torch.zeros(2), "extra.bias": torch.zeros(1)}, "extra.bias"),
        ({}, "layers.0.w"),
        ({"layers.0.w": torch.zeros(3)}, "layers.0.w"),
        ({"layers.0.w": torch.zeros(2, 1)}, "layers.0.w"),
        ({"layers.0.w": torch.tensor([1.0, float("nan")])}, "layers.0.w"),
        ({"layers.0.w": torch.tensor([1.0, float("-inf")])}, "layers.0.w"),
    ],
)
def test_experts_that_do_not_fit_are_refused(tmp_path: Path, tensors: dict[str, torch.Tensor], named: str) -> None:
    good = expert(tmp_path / "good", **{"layers.0.w": torch.tensor([1.0, 2.0])})
    bad = expert(tmp_path / "bad", **tensors)
    for pair in ([good, bad], [bad, good]):
        with pytest.raises(DataError, match=named.replace(".", r"\.")):
            fuse_checkpoints(pair, [0.5, 0.5], tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_a_value_that_is_not_finite_is_found_even_at_weight_zero(tmp_path: Path) -> None:
    good = expert(tmp_path / "good", w=torch.tensor([1.0]))
    bad = expert(tmp_path / "bad", w=torch.tensor([float("inf")]))
    with pytest.raises(DataError, match="tensor w"):
        fuse_checkpoints([good, bad], [1.0, 0.0], tmp_path / "out.safetensors")
