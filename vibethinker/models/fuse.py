"""Fusion of checkpoints on disk."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from vibethinker.algorithms.fusion import linear_average
from vibethinker.errors import DataError


def fuse_checkpoints(folders: Sequence[Path], weights: Sequence[float], target: Path) -> int:
    """Writes sum_i w_i x_i of every tensor to target, reading one tensor of each expert at a time; returns their number.

    Raises DataError naming the tensor where the experts' names or shapes differ, or a value is not finite.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(safe_open(folder / "model.safetensors", framework="pt")) for folder in folders]
        names = sorted(files[0].keys())
        for folder, file in zip(folders, files, strict=True):
            different = set(names) ^ set(file.keys())
            if different:
                raise DataError(
                    f"{folder} has other tensors than {folders[0]}: {sorted(different)[:3]}; fuse models of one architecture"
                )
        fused: dict[str, torch.Tensor] = {}
        for name in names:
            tensors = [file.get_tensor(name) for file in files]
            shapes = {tuple(t.shape) for t in tensors}
            if len(shapes) > 1:
                raise DataError(f"tensor {name} has the shapes {sorted(shapes)} in {[str(f) for f in folders]}")
            fused[name] = linear_average(tensors, weights)
            if not fused[name].isfinite().all():
                raise DataError(f"tensor {name} is not finite in one of {[str(f) for f in folders]}")
    save_file(fused, target, metadata={"format": "pt"})
    return len(fused)
