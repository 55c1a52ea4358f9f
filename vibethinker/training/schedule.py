"""Learning-rate schedules: step (from 0) and number of steps to a rate."""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(rate: float) -> Schedule:
    """The same rate at every step."""
    return lambda step: rate


def cosine(rate: float, floor: float, warmup: float, steps: int) -> Schedule:
    """Linear warm-up over the first share of the steps, then a cosine from rate to floor [B: SFT]."""
    ramp = round(warmup * steps)

    def at(step: int) -> float:
        if step < ramp:
            return rate * (step + 1) / ramp
        progress = (step - ramp) / max(1, steps - ramp)
        return floor + (rate - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return at


def flat_then_linear(rate: float, decay: float, steps: int) -> Schedule:
    """Constant, then linear to zero over the last share `decay` of the steps."""
    start = round(steps * (1 - decay))
    return lambda step: rate if step < start else rate * (steps - step) / max(1, steps - start)
