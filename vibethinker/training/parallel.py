"""Several processes that train one model together, one a device: each holds all weights and takes its share of the work.

torchrun starts them (vibethinker/stages/torchrun.py). Without it there is one process, and nothing here costs anything.
Every function but `world` is for all processes at once: each calls it at the same point, or all wait.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

TIMEOUT = timedelta(hours=24)
"""How long the others wait for one: the first probes its checkpoints for hours while they do."""
BUCKET_BYTES = 1 << 26
"""Gradients summed in one message: 64 MiB, the largest extra memory; a larger one travels alone, in place."""
BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes of an element -> the integer type that shows its bits."""
T = TypeVar("T")


class Helped(BaseException):
    """Training has ended in a process that is not the first: what is left to do (export, seal) is the first's alone.

    No error, and like SystemExit not to be caught with errors on the way out of the stage.
    """


@dataclass(frozen=True)
class World:
    """Which of how many processes this is."""

    rank: int
    count: int

    @property
    def first(self) -> bool:
        """Whether this is the one that writes: events, checkpoints, the seal."""
        return self.rank == 0


def world() -> World:
    """One process of one, before `join`."""
    return World(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else World(0, 1)


def join(device: str) -> None:
    """In a process that torchrun started: meets the others. Gradients on a GPU go by NCCL, all else by gloo.

    Args: device: `cpu` or `cuda`; then this process gets the GPU of its own rank.
    """
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # one machine: its name need not resolve
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo", timeout=TIMEOUT)


def leave() -> None:
    """The end of what `join` began. Not after an error: others may wait for this one, and learn of it when it exits."""
    dist.destroy_process_group()


def barrier() -> None:
    """Waits until all have come here."""
    if world().count > 1:
        gather(None)


def gather(value: T) -> list[T]:
    """Every process's value, by rank, in all of them."""
    if world().count == 1:
        return [value]
    values: list[Any] = [None] * world().count
    dist.all_gather_object(values, value)
    return values


def from_first(make: Callable[[], T]) -> T:
    """What make() returns in the first process, in all of them; the others don't call it, and wait."""
    if world().count == 1:
        return make()
    value: list[Any] = [make() if world().first else None]
    dist.broadcast_object_list(value)
    found: T = value[0]
    return found


def sum_figures(figures: Mapping[str, float]) -> dict[str, float]:
    """Sums by name over all processes, the same bits in all; a name that one lacks counts as 0 there."""
    parts = gather(dict(figures))
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0.0) for part in parts) for name in names}


def any_of(flag: bool) -> bool:
    """Whether it is so in any process."""
    return any(gather(flag))


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Each gradient becomes its sum over all processes, the same bits in all; one that a process lacks counts as zero.

    A parameter without a gradient in every process keeps none, so that the optimiser leaves it alone as with one process.
    """
    if world().count == 1:
        return
    learnt = [p for p in parameters if p.requires_grad]
    present = torch.tensor([p.grad is not None for p in learnt], dtype=torch.int32)
    dist.all_reduce(present)
    for parameter in [p for p, holders in zip(learnt, present.tolist(), strict=True) if holders]:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    for bucket in buckets([p.grad for p in learnt if p.grad is not None], BUCKET_BYTES):
        _sum_bucket(bucket)


def buckets(tensors: Sequence[Tensor], size: int) -> list[list[Tensor]]:
    """In order, in lists of one type of at most `size` bytes (a larger tensor is a list of its own)."""
    found: list[list[Tensor]] = []
    room = 0
    for tensor in tensors:
        room -= tensor.nbytes
        if not found or room < 0 or found[-1][0].dtype != tensor.dtype:
            found.append([])
            room = size - tensor.nbytes
        found[-1].append(tensor)
    return found


def _sum_bucket(bucket: Sequence[Tensor]) -> None:
    if len(bucket) == 1 and bucket[0].is_contiguous():
        dist.all_reduce(bucket[0])
        return
    flat = torch.cat([t.reshape(-1) for t in bucket])
    dist.all_reduce(flat)
    for tensor, part in zip(bucket, flat.split([t.numel() for t in bucket]), strict=True):
        tensor.copy_(part.view_as(tensor))


def check_alike(model: nn.Module, step: int) -> None:
    """Asserts that all processes are at the same step with the same weights, by a sum over each parameter's bits."""
    if world().count == 1:
        return
    sums = [p.detach().view(BITS[p.element_size()]).sum(dtype=torch.int64) for p in model.parameters()]
    states = gather((step, torch.stack(sums).tolist()))
    assert all(state == states[0] for state in states), f"step {step}: the processes' weights differ"
