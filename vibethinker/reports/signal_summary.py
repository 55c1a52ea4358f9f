"""An MGPO stage in one line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from vibethinker.reports.data import Curves

PARTS = {
    "rollout": "seconds_rollout",
    "verdicts": "seconds_reward",
    "train": "seconds_train",
    "reduce": "seconds_reduce",
    "sync": "seconds_sync",
}
"""Where a step's time goes -> its metric: generating, then waiting for verdicts, updating, adding up the gradients of several
devices, weights to the engine."""
LEAST = 1e-3
"""A part with a smaller share of the stage's time is left out: on one device, nothing is added up."""
ENDS = 8
"""The start and the end of a stage are the first and the last eighth of its steps."""


@dataclass(frozen=True)
class StageSummary:
    """Figures over all steps of a stage; None where the run did not record them."""

    node: str
    steps: int
    reward: tuple[float, float] | None
    """Means of the first and of the last eighth of the steps."""
    zero_advantage: float | None
    """Share of groups without advantage, mean."""
    truncated: float | None
    """Share of responses cut at the window, mean."""
    gap: float | None
    """Of the engine's and the trainer's log-probabilities: mean, in nats a token."""
    gap_max: float | None
    """The largest of any token."""
    kl: float | None
    """From the start model, as last measured, in nats a token."""
    seconds: dict[str, float]
    """Part -> seconds, all steps."""
    speed: float | None
    """Generated tokens a second, mean."""
    memory_gb: float | None
    """The most."""
    padding: float | None
    """Share of trained tokens that are padding, mean."""


def summarise(stages: Sequence[Curves]) -> Iterator[StageSummary]:
    """Each stage that has made a step."""
    for stage in stages:
        values = {name: [v for _, v in points] for name, points in stage.metrics.items() if points}
        if values:
            yield _summary(stage, values)


def seconds_by_part(stage: Curves) -> dict[str, float]:
    """Part -> seconds of all steps; those that matter."""
    found = {part: sum(v for _, v in stage.metrics.get(name, ())) for part, name in PARTS.items()}
    return {part: seconds for part, seconds in found.items() if seconds > LEAST * sum(found.values())}


def _summary(stage: Curves, values: dict[str, list[float]]) -> StageSummary:
    def mean(name: str) -> float | None:
        return fmean(values[name]) if name in values else None

    def most(name: str) -> float | None:
        return max(values[name]) if name in values else None

    reward = values.get("reward")
    return StageSummary(
        node=stage.node,
        steps=max(len(v) for v in values.values()),
        reward=_ends(reward) if reward else None,
        zero_advantage=mean("zero_advantage_share"),
        truncated=mean("truncated"),
        gap=mean("gap_mean"),
        gap_max=most("gap_max"),
        kl=values["kl_start"][-1] if "kl_start" in values else None,
        seconds=seconds_by_part(stage),
        speed=mean("tokens_per_second"),
        memory_gb=most("memory_gb"),
        padding=mean("padding_share"),
    )


def _ends(values: Sequence[float]) -> tuple[float, float]:
    count = max(1, len(values) // ENDS)
    return fmean(values[:count]), fmean(values[-count:])
