"""Which checkpoint each selection rule takes, to set the one in use beside the others [A 3.3]."""

from collections.abc import Iterator
from dataclasses import dataclass

from vibethinker.algorithms.selection import RULES, ProbePoint, SelectionRule, select_checkpoint
from vibethinker.reports.data import Checkpoint, Choice, ReportData, Trajectory
from vibethinker.reports.rounds import domain_of, round_of

WORDS: dict[SelectionRule, str] = {
    "pass_at_k": "by Pass@K",
    "pass_at_1": "by Pass@1",
    "loss": "by held-out loss",
    "last": "the last",
}
"""Rule -> how its checkpoint is named beside the selected one."""
SELECTED = {
    "pass_at_k": "the highest Pass@K",
    "pass_at_1": "the highest Pass@1",
    "loss": "the lowest loss on the probing set's own traces",
    "last": "its place: the last",
}
"""Rule -> what the checkpoint in use was selected by."""


@dataclass(frozen=True)
class Run:
    """A trajectory as seen on one domain."""

    trajectory: Trajectory
    domain: str
    choice: Choice | None
    """None where nothing is selected yet."""

    @property
    def points(self) -> list[Checkpoint]:
        """The checkpoints that were probed on the domain, steps ascending."""
        return [c for c in self.trajectory.checkpoints if self.domain in c.probes]

    @property
    def has_loss(self) -> bool:
        """Whether the held-out loss was measured."""
        return any(c.probes[self.domain].loss is not None for c in self.points)

    @property
    def winners(self) -> dict[SelectionRule, Checkpoint]:
        """Rule -> the checkpoint it takes, of those rules that can be followed; step 0 is no candidate."""
        found = {c.step: c for c in self.points if c.step}
        probes = {step: c.probes[self.domain] for step, c in found.items()}
        points = [
            ProbePoint(step, p.pass_at.get(1, 0.0), p.pass_at[max(p.pass_at)], p.loss) for step, p in probes.items()
        ]
        rules = [r for r in RULES if r != "loss" or any(p.loss is not None for p in points)]
        return {rule: found[select_checkpoint(points, rule).step] for rule in rules} if points else {}


def runs(data: ReportData, turn: str) -> Iterator[Run]:
    """A round's trajectories: an expert's on its own domain, the one for all domains on each of them."""
    chosen = {(c.node, c.domain): c for c in data.choices}
    for trajectory in data.trajectories:
        if round_of(trajectory.node) != turn:
            continue
        probed = list(dict.fromkeys(d for c in trajectory.checkpoints for d in c.probes))
        own = domain_of(trajectory.node)
        for domain in [own] if own in probed else probed:
            yield Run(trajectory, domain, chosen.get((trajectory.node, domain)))
