"""Run by torchrun: what several processes do together, the findings of each in FOLDER/rank-<n>.pt."""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.unit.training.loop_lab import Lab, Objective
from vibethinker.errors import Preempted
from vibethinker.training.parallel import (
    Helped,
    any_of,
    barrier,
    check_alike,
    from_first,
    gather,
    join,
    leave,
    sum_figures,
    sum_gradients,
    world,
)
from vibethinker.training.refused import NonFinite


def messages(rank: int) -> dict[str, Any]:
    """What each of the small functions gives."""
    barrier()
    made: list[str] = []
    first = from_first(lambda: made.append("here") or {"from": rank})
    return {
        "gather": gather(("rank", rank)),
        "first": first,
        "made": made,
        "figures": sum_figures({"both": 0.1 * (rank + 1), f"only {rank}": 1.0}),
        "any": [any_of(False), any_of(rank == 1), any_of(True)],
    }


def gradients(rank: int) -> list[torch.Tensor | None]:
    """Both have a gradient, only one has, none has, one of another type, a large one, a frozen one."""
    shapes = [(3,), (2, 2), (4,), (5,), (1 << 24,), (2,)]
    types = [torch.float32] * 3 + [torch.float64] + [torch.float32] * 2
    parameters = [nn.Parameter(torch.zeros(s, dtype=t)) for s, t in zip(shapes, types, strict=True)]
    parameters[5].requires_grad_(False)
    for i in (0, 3, 4) + ((1,) if rank == 1 else ()):
        parameters[i].grad = torch.full_like(parameters[i], 10.0**rank)
    sum_gradients(parameters)
    return [p.grad[-3:].clone() if p.grad is not None else None for p in parameters]


def training(lab: Lab, folder: Path, **changes: Any) -> dict[str, Any]:
    """The loop, and how it ended."""
    told: list[int] = []

    def on_checkpoint(step: int, loss: float) -> dict[str, Any]:
        told.append(step)
        return {"step": step, "loss": loss}

    found: dict[str, Any] = {"told": told}
    trained: list[Objective] = []
    change = changes.pop("change", lambda objective: None)

    def keep(objective: Objective) -> None:
        trained.append(objective)
        change(objective)

    try:
        found["history"] = lab.train(folder, on_checkpoint=on_checkpoint, change=keep, **changes)[1]
    except Helped:
        found["ended"] = "Helped"
    except (Preempted, NonFinite) as error:
        found["ended"] = f"{type(error).__name__}: {error}"
    model = trained[0].model
    return found | {"weights": {n: p.detach().clone() for n, p in model.named_parameters()}}


def goes_wrong(objective: Objective) -> None:
    objective.wrong = (3, 0, float("inf"))


def other_weights(lab: Lab, rank: int) -> str:
    model = lab.model()
    check_alike(model, 0)
    with torch.no_grad():
        model.lm_head.weight[0, 0] += rank * 1e-6
    try:
        check_alike(model, 7)
    except AssertionError as error:
        return str(error)
    return "not seen"


def main(folder: Path) -> None:
    join("cpu")
    rank = world().rank
    lab = Lab()
    calls = iter(range(3))
    found = {
        "messages": messages(rank),
        "gradients": gradients(rank),
        "whole": training(lab, folder / "whole"),
        "stopped": training(lab, folder / "parts", stop=lambda: rank == 1 and next(calls, None) is None),
        "continued": training(lab, folder / "parts"),
        "refused": training(lab, folder / "refused", change=goes_wrong),
        "other weights": other_weights(lab, rank),
        "threads": os.environ["OMP_NUM_THREADS"],
    }
    torch.save(found, folder / f"rank-{rank}.pt")
    leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
