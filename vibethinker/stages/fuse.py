"""Fuse: M_merge = sum_i w_i M_i*, tensor by tensor from and to safetensors [A 3.3]."""

import shutil
from pathlib import Path

from vibethinker.models.fuse import fuse_checkpoints
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import open_work


def run(spec: StageSpec) -> Manifest:
    """Seals model/: the fused weights with the first expert's configuration and tokenizer, which all share."""
    weights: dict[str, float] = spec.settings["weights"]
    with open_work(spec) as work:
        experts: list[Path] = [work.input("experts") / "experts" / domain for domain in weights]
        model = work.out / "model"
        shutil.copytree(experts[0], model, ignore=shutil.ignore_patterns("*.safetensors", "*.safetensors.index.json"))
        tensors = fuse_checkpoints(experts, list(weights.values()), model / "model.safetensors")
        return work.seal({"tensors": tensors, **{f"weight/{d}": w for d, w in weights.items()}})
