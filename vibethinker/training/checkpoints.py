"""Checkpoints of the loop: weights that learn, optimiser and state in one folder, which is there whole or not at all.

Frozen weights (a base under adapters) come from the model's own folder again.
"""

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from vibethinker.runs.manifest import write_atomic
from vibethinker.runs.work import flush

FILES = ("weights.safetensors", "optimiser.pt", "state.json")


@dataclass
class State:
    """Where the loop is; what a checkpoint holds besides weights and optimiser."""

    step: int
    history: list[dict[str, Any]]
    """What `on_checkpoint` returned, once per checkpoint."""
    losses: list[float] = field(default_factory=list)
    """Of the updates since the last of these."""


def finite(model: nn.Module) -> bool:
    """Whether every weight that learns is a number: a sum shows each nan and inf."""
    return bool(torch.stack([p.sum() for p in learnt(model).values()]).isfinite().all())


def learnt(model: nn.Module) -> dict[str, Tensor]:
    """Parameters that the optimiser changes, by name."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def save(model: PreTrainedModel, optimiser: torch.optim.Optimizer, state: State, scratch: Path) -> None:
    """Writes scratch/checkpoint-<step>, then removes the one before.

    It is written under another name and flushed to the disk first: neither a kill nor a power cut leaves a half-written one
    to be read, and the one before stays until the new one is safe.
    """
    target = scratch / f"checkpoint-{state.step}"
    if target.exists():
        write_atomic(target / "state.json", orjson.dumps(asdict(state)))
        return
    assert finite(model), "the loop refuses the step that makes weights that are no numbers"
    partial = scratch / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file({n: p.contiguous() for n, p in learnt(model).items()}, partial / "weights.safetensors")
    torch.save(optimiser.state_dict(), partial / "optimiser.pt")
    (partial / "state.json").write_bytes(orjson.dumps(asdict(state)))
    flush(scratch, [f"partial/{name}" for name in FILES])
    partial.rename(target)
    flush(scratch, [f"{target.name}/state.json"])  # the new name too
    for old in scratch.glob("checkpoint-*"):
        if old != target:
            shutil.rmtree(old)


def resume(model: PreTrainedModel, optimiser: torch.optim.Optimizer, scratch: Path) -> State:
    """Loads the latest checkpoint into model and optimiser; step 0 where there is none."""
    found = sorted(scratch.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    if not found:
        return State(0, [])
    weights = load_file(found[-1] / "weights.safetensors")
    for name, parameter in learnt(model).items():
        parameter.copy_(weights[name])
    optimiser.load_state_dict(torch.load(found[-1] / "optimiser.pt", weights_only=True, map_location=model.device))
    return State(**orjson.loads((found[-1] / "state.json").read_bytes()))
