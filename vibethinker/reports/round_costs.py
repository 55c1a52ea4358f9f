"""What the spectrum's rounds cost, part by part."""

from dataclasses import dataclass

from vibethinker.reports.data import Node, ReportData
from vibethinker.reports.rounds import TITLES, round_of

PARTS = {
    "traces": ("distill", "curriculum", "probing"),
    "experts": ("expert",),
    "selection and fusion": ("select", "fuse"),
}
"""Part of a round -> stages."""


@dataclass(frozen=True)
class RoundCost:
    """One round's outputs, reused ones too."""

    turn: str
    seconds: dict[str, float]
    """Part -> device-seconds."""
    dollars: float
    asked: float
    """Dollars that endpoints charged for traces and probing problems; not in `dollars`."""
    tokens: int | None
    """That its experts were trained on; None where not all are known."""
    experts: tuple[Node, ...]


def round_costs(data: ReportData) -> list[RoundCost]:
    """Rounds that have an expert, in the order of the recipe."""
    found = []
    for turn in TITLES:
        nodes = [n for n in data.nodes if n.stage and round_of(n.name) == turn]
        by_part = {part: [n for n in nodes if n.stage in stages] for part, stages in PARTS.items()}
        experts = by_part["experts"]
        if experts:
            counted = [n.tokens for n in experts if n.tokens is not None]
            found.append(
                RoundCost(
                    turn=turn,
                    seconds={part: sum(n.seconds for n in rows) for part, rows in by_part.items()},
                    dollars=sum(n.dollars for rows in by_part.values() for n in rows),
                    asked=sum(made.dollars for made in data.asked if round_of(made.node) == turn),
                    tokens=sum(counted) if len(counted) == len(experts) else None,
                    experts=tuple(experts),
                )
            )
    return found
