"""Which problems a step asks: a pure function of (seed, step) and, where it is wanted, of their pass rates."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from vibethinker.algorithms.mgpo import maxent_weight
from vibethinker.training.sft import epoch_order
from vibethinker.training.signal import Task

_ASK, _REFILL = 1, 2  # apart from the epochs' streams


def visit_all(tasks: Sequence[Task], size: int, seed: int, step: int) -> list[Task]:
    """Each problem once an epoch, each epoch in its own order; what does not fill a last step is left to the next epoch.

    A problem is asked once a step: twice would get the same samples twice.
    """
    size = min(size, len(tasks))
    epoch, place = divmod(step, len(tasks) // size)
    order = epoch_order(len(tasks), seed, epoch)[place * size : (place + 1) * size]
    return [tasks[int(i)] for i in order]


def prefer_uncertain(
    tasks: Sequence[Task], size: int, seed: int, step: int, rates: Mapping[str, float], strength: float
) -> list[Task]:
    """Drawn without replacement with weights exp(-strength D_ME(p)); a problem never measured counts as p = 0.5."""
    p = torch.tensor([rates.get(task.problem.id, 0.5) for task in tasks], dtype=torch.float64)
    weights = maxent_weight(p, strength).numpy()
    chosen = np.random.default_rng([seed, step, _ASK]).choice(
        len(tasks), min(size, len(tasks)), replace=False, p=weights / weights.sum()
    )
    return [tasks[int(i)] for i in chosen]


def refill_order(tasks: Sequence[Task], asked: Sequence[Task], seed: int, step: int) -> list[Task]:
    """All problems that the step has not asked, in its own order."""
    taken = {task.problem.id for task in asked}
    order = np.random.default_rng([seed, step, _REFILL]).permutation(len(tasks))
    return [tasks[int(i)] for i in order if tasks[int(i)].problem.id not in taken]
