"""Checkpoint selection: M_i* = argmax_t P_i(t) [A 3.3], and other rules to compare it with."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

SelectionRule = Literal["pass_at_k", "pass_at_1", "loss", "last"]
RULES: tuple[SelectionRule, ...] = get_args(SelectionRule)


class ProbePoint(NamedTuple):
    """One checkpoint's probe on one domain."""

    step: int
    pass_at_1: float
    pass_at_k: float
    loss: float | None
    """On the probing set's own traces; None where it has none."""


def select_checkpoint(points: Sequence[ProbePoint], rule: SelectionRule) -> ProbePoint:
    """The specialist among a trajectory's checkpoints, whatever their order.

    Ties: the higher Pass@1 (for `pass_at_1`: Pass@K), then the earlier step, so that no two checkpoints tie. Raises
    ValueError for no points, and for `loss` where no point has one.
    """
    if not points:
        raise ValueError("select_checkpoint: no probed checkpoint to choose from")
    if rule == "last":
        return max(points, key=lambda p: p.step)
    if rule == "loss":
        losses = [(p.loss, -p.pass_at_1, p.step, p) for p in points if p.loss is not None]
        if not losses:
            raise ValueError("select_checkpoint: no probed checkpoint has a held-out loss; choose by another rule")
        return min(losses)[-1]
    if rule == "pass_at_1":
        return max(points, key=lambda p: (p.pass_at_1, p.pass_at_k, -p.step))
    return max(points, key=lambda p: (p.pass_at_k, p.pass_at_1, -p.step))


def leaders(domains: Iterable[Sequence[ProbePoint]]) -> set[int]:
    """Steps of the checkpoints that some rule selects in some domain: at most rules x domains.

    domains: each one's points. A checkpoint that leads nowhere can't lead later either, so only these need to be kept.
    """
    return {
        select_checkpoint(points, rule).step
        for points in domains
        for rule in RULES
        if rule != "loss" or any(p.loss is not None for p in points)
    }
