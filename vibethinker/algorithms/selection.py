"""Checkpoint selection: M_i* = argmax_t P_i(t) [A 3.3]."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

SelectionRule = Literal["pass_at_k", "pass_at_1", "last"]


class ProbePoint(NamedTuple):
    """One checkpoint's probe on one domain."""

    step: int
    pass_at_1: float
    pass_at_k: float


def select_checkpoint(points: Sequence[ProbePoint], rule: SelectionRule) -> ProbePoint:
    """The specialist among a trajectory's checkpoints. Ties: the other rate decides, then the earlier step."""
    if not points:
        raise ValueError("select_checkpoint: no probed checkpoint to choose from")
    if rule == "last":
        return max(points, key=lambda p: p.step)
    if rule == "pass_at_1":
        return max(points, key=lambda p: (p.pass_at_1, p.pass_at_k, -p.step))
    return max(points, key=lambda p: (p.pass_at_k, p.pass_at_1, -p.step))
