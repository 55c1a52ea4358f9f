"""The one training loop, shared by base training, SFT and MGPO: optimiser, schedule, checkpoints, exact resume.

Weights, gradients and both moments of AdamW are float32; bfloat16 is only the type that autocast computes in.
With several processes (training/parallel.py) each takes its share of an update's micro-batches and the gradients are
summed, so that the weights stay the same bits in all.
"""

import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from vibethinker.errors import Preempted
from vibethinker.models.logprobs import check_head
from vibethinker.models.modes import recomputing
from vibethinker.models.packed import packed_row
from vibethinker.models.precision import forward_type
from vibethinker.tracking.local import Tracker
from vibethinker.training.batching import Batch, padding_share, share_out
from vibethinker.training.checkpoints import State, finite, resume, save
from vibethinker.training.parallel import (
    Helped,
    any_of,
    barrier,
    check_alike,
    from_first,
    sum_figures,
    sum_gradients,
    world,
)
from vibethinker.training.refused import Share, refuse
from vibethinker.training.schedule import Schedule


class Objective(Protocol):
    """What is minimised. All randomness comes from (seed, step), so that a step can be repeated exactly."""

    def batches(self, step: int) -> Sequence[Batch]:
        """All of the step's micro-batches, the same in every process; none means that there is nothing to learn from and
        the update is skipped."""
        ...

    def loss(self, batch: Batch) -> Tensor:
        """This micro-batch's share of the step's loss: the shares add up to the loss of the whole batch."""
        ...

    def metrics(self) -> Mapping[str, float]:
        """Figures of the last step, besides the loop's own. Called in every process: the first's are written."""
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
    gradient_checkpointing: bool = False
    """Whether each layer's activations are computed again in the backward pass."""


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
    """Trains to settings.steps, continuing from scratch/checkpoint-<step> where there is one.

    on_checkpoint(step, mean loss since the checkpoint before) runs at every checkpoint before it is written, so that what
    it returns is kept with it. Returns the history. Raises Preempted after a checkpoint when stop() says so in any process,
    NonFinite on a loss, gradient or weight that is not finite. With several processes only the first calls on_checkpoint,
    writes and returns; the others end with Helped.
    """
    check_head(model)
    assert all(p.dtype == torch.float32 for p in model.parameters() if p.requires_grad), "master weights are float32"
    optimiser = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        lr=0.0,
        betas=(0.9, 0.95),
        weight_decay=settings.weight_decay,
    )
    state = resume(model, optimiser, scratch)
    check_alike(model, state.step)
    if state.step:
        tracker.note(f"continues from its checkpoint at step {state.step}")
    _point(model, optimiser, settings, state, scratch, on_checkpoint)  # one that was cut off
    while state.step < settings.steps:
        if any_of(stop()):
            _checkpoint(model, optimiser, state, scratch)
            raise Preempted(f"{label}: stopped at step {state.step} of {settings.steps}, checkpoint written")
        state.losses.append(_update(model, optimiser, objective, settings, state.step, scratch, tracker))
        state.step += 1
        tracker.progress(label, state.step, settings.steps)
        _point(model, optimiser, settings, state, scratch, on_checkpoint)
    if not world().first:
        raise Helped
    return state.history


def _point(
    model: PreTrainedModel,
    optimiser: torch.optim.Optimizer,
    settings: LoopSettings,
    state: State,
    scratch: Path,
    on_checkpoint: Callable[[int, float], dict[str, Any]],
) -> None:
    """Asks on_checkpoint and writes the checkpoint, where one is due. Stopped in on_checkpoint, the steps before it are kept."""
    if not state.losses or (state.step % settings.checkpoint_every and state.step < settings.steps):
        return
    try:
        found = from_first(partial(on_checkpoint, state.step, fmean(state.losses)))
    except Preempted:
        save(model, optimiser, state, scratch)  # in the first process alone: the others wait for what it found
        raise
    state.history.append(found)
    state.losses = []
    _checkpoint(model, optimiser, state, scratch)


def _checkpoint(model: PreTrainedModel, optimiser: torch.optim.Optimizer, state: State, scratch: Path) -> None:
    check_alike(model, state.step)
    if world().first:
        save(model, optimiser, state, scratch)
    barrier()


def _update(
    model: PreTrainedModel,
    optimiser: torch.optim.Optimizer,
    objective: Objective,
    settings: LoopSettings,
    step: int,
    scratch: Path,
    tracker: Tracker,
) -> float:
    """One optimiser step; the update's loss. Raises NonFinite, in all processes."""
    _reset_memory(model)
    batches = objective.batches(step)
    started = time.perf_counter()
    rate = settings.schedule(step)
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    own = _learn(model, objective, settings, batches)
    computed = time.perf_counter()
    loss = sum_figures({"loss": sum(own.values())})["loss"]
    sum_gradients(model.parameters())
    reduced = time.perf_counter()
    norm = 0.0
    if batches:
        norm = nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm).item()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            alone = [_try_alone(model, objective, settings, batches, i) for i in own]
            raise refuse(step, f"loss {loss:g}, gradient norm {norm:g}", batches, alone, scratch)
        optimiser.step()
        if not finite(model):
            shares = [Share(i, x, norm) for i, x in own.items()]
            raise refuse(step, "weights that are not finite after the update", batches, shares, scratch)
    reduce = reduced - computed
    seconds = {"seconds_train": time.perf_counter() - started - reduce, "seconds_reduce": reduce}
    figures = {"loss": loss, "grad_norm": norm, "learning_rate": rate, "memory_gb": _memory_gb(model), **seconds}
    rates = {
        "train_tokens_per_second": sum(int(b.attention_mask.sum()) for b in batches) / seconds["seconds_train"],
        "padding_share": padding_share(batches),
    }
    tracker.metrics(step + 1, figures | rates | dict(objective.metrics()))
    return loss


def _learn(
    model: PreTrainedModel, objective: Objective, settings: LoopSettings, batches: Sequence[Batch]
) -> dict[int, float]:
    """Adds the gradients of this process's share of the micro-batches; their losses."""
    own = share_out(batches, world().count)[world().rank]
    losses = [_backward(model, objective, settings, batches[i]) for i in own]
    return dict(zip(own, torch.stack(losses).tolist(), strict=True)) if own else {}


def _backward(model: PreTrainedModel, objective: Objective, settings: LoopSettings, batch: Batch) -> Tensor:
    """Adds the micro-batch's gradient; its loss, a float64 scalar."""
    with recomputing(model, settings.gradient_checkpointing), packed_row(model, batch.documents.tolist()):
        with forward_type(model, settings.precision):
            loss = objective.loss(batch)
        torch.autograd.backward(loss)
    return loss.detach().double()


def _try_alone(
    model: PreTrainedModel, objective: Objective, settings: LoopSettings, batches: Sequence[Batch], index: int
) -> Share:
    """One micro-batch of a refused step again, with nothing else in the gradient."""
    model.zero_grad(set_to_none=True)
    loss = _backward(model, objective, settings, batches[index]).item()
    norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None]).item()
    model.zero_grad(set_to_none=True)
    return Share(index, loss, norm)


def _reset_memory(model: PreTrainedModel) -> None:
    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(model.device)


def _memory_gb(model: PreTrainedModel) -> float:
    """The most memory held: of the GPU in this step; on a CPU, of the process since it began."""
    if model.device.type == "cuda":
        return torch.cuda.max_memory_allocated(model.device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
