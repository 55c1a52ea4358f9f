"""The one training loop, shared by base training, SFT and MGPO: optimiser, schedule, checkpoints, exact resume."""

import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from vibethinker.errors import Preempted, VibeThinkerError
from vibethinker.tracking.local import Tracker
from vibethinker.training.batching import Batch
from vibethinker.training.schedule import Schedule


class Objective(Protocol):
    """What is minimised. All randomness comes from (seed, step), so that a step can be repeated exactly."""

    def batches(self, step: int) -> Sequence[Batch]:
        """The step's micro-batches; none means that there is nothing to learn from and the update is skipped."""
        ...

    def loss(self, batch: Batch) -> Tensor:
        """This micro-batch's share of the step's loss: the shares add up to the loss of the whole batch."""
        ...

    def metrics(self) -> dict[str, float]:
        """Figures of the last step, besides loss, grad_norm and learning_rate."""
        ...


@dataclass(frozen=True)
class LoopSettings:
    """How long and how."""

    steps: int
    schedule: Schedule
    weight_decay: float
    max_grad_norm: float
    checkpoint_every: int
    """Optimiser steps between checkpoints; also the cadence of `on_checkpoint`."""
    precision: str


@dataclass
class State:
    """Where the loop is; what a checkpoint holds besides weights and optimiser."""

    step: int
    history: list[dict[str, Any]]
    """What `on_checkpoint` returned, once per checkpoint."""


class NonFinite(VibeThinkerError, ArithmeticError):
    """A loss or gradient was not finite; the step was refused and the last checkpoint stays."""


def train(
    model: PreTrainedModel,
    objective: Objective,
    settings: LoopSettings,
    scratch: Path,
    tracker: Tracker,
    stop: Callable[[], bool],
    on_checkpoint: Callable[[int, float], dict[str, Any]],
    label: str,
) -> list[dict[str, Any]]:
    """Trains to settings.steps, continuing from scratch/checkpoint where there is one.

    on_checkpoint(step, loss) runs at every checkpoint before it is written, so that what it returns is kept with it.
    Returns the history. Raises Preempted after a checkpoint when stop() says so, NonFinite on a loss that is not finite.
    """
    optimiser = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        lr=0.0,
        betas=(0.9, 0.95),
        weight_decay=settings.weight_decay,
    )
    state = _resume(model, optimiser, scratch)
    if state.step:
        tracker.note(f"continues from its checkpoint at step {state.step}")
    while state.step < settings.steps:
        if stop():
            _save(model, optimiser, state, scratch)
            raise Preempted(f"{label}: stopped at step {state.step} of {settings.steps}, checkpoint written")
        loss = _update(model, optimiser, objective, settings, state.step, tracker)
        state.step += 1
        tracker.progress(label, state.step, settings.steps)
        if state.step % settings.checkpoint_every == 0 or state.step == settings.steps:
            state.history.append(on_checkpoint(state.step, loss))
            _save(model, optimiser, state, scratch)
    return state.history


def _update(
    model: PreTrainedModel,
    optimiser: torch.optim.Optimizer,
    objective: Objective,
    settings: LoopSettings,
    step: int,
    tracker: Tracker,
) -> float:
    batches = objective.batches(step)
    started = time.perf_counter()
    rate = settings.schedule(step)
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    total = 0.0
    for batch in batches:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
            loss = objective.loss(batch)
        torch.autograd.backward(loss)
        total += loss.item()
    norm = 0.0
    if batches:
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm).item()
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise NonFinite(
                f"step {step}: loss {total}, gradient norm {norm}; the step was refused, the last checkpoint stays"
            )
        optimiser.step()
    seconds = time.perf_counter() - started
    tokens = sum(int(b.attention_mask.sum()) for b in batches)
    figures = {"loss": total, "grad_norm": norm, "learning_rate": rate, "seconds_train": seconds}
    tracker.metrics(step + 1, figures | {"tokens_per_second": tokens / seconds} | objective.metrics())
    return total


def _save(model: PreTrainedModel, optimiser: torch.optim.Optimizer, state: State, scratch: Path) -> None:
    """Writes scratch/checkpoint-<step> under another name first; a half-written one is never read."""
    target = scratch / f"checkpoint-{state.step}"
    if target.exists():
        return
    partial = scratch / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file({n: p.detach().contiguous() for n, p in model.named_parameters()}, partial / "weights.safetensors")
    torch.save(optimiser.state_dict(), partial / "optimiser.pt")
    (partial / "state.json").write_bytes(orjson.dumps({"step": state.step, "history": state.history}))
    partial.rename(target)
    for old in scratch.glob("checkpoint-*"):
        if old != target:
            shutil.rmtree(old)


def _resume(model: PreTrainedModel, optimiser: torch.optim.Optimizer, scratch: Path) -> State:
    found = sorted(scratch.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    if not found:
        return State(0, [])
    weights = load_file(found[-1] / "weights.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])
    optimiser.load_state_dict(torch.load(found[-1] / "optimiser.pt", weights_only=True, map_location=model.device))
    saved = orjson.loads((found[-1] / "state.json").read_bytes())
    return State(saved["step"], saved["history"])
