"""What a run is expected to cost."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PlannedNode:
    """One node of the plan."""

    node: str
    stage: str
    fingerprint: str
    reusable: bool
    device_hours: float
    """Estimate; 0 where the sealed output is reused."""
    dollars: float
    basis: str
    """Where the estimate comes from: the seal, the ledger's last such stage, or the profile."""


@dataclass(frozen=True)
class Plan:
    """A profile's plan in a workspace."""

    profile: str
    device_type: str
    rate: float
    limit: float
    spent: float
    """Dollars of the profile's account so far."""
    nodes: list[PlannedNode]

    @property
    def device_hours(self) -> float:
        """Estimated device-hours still to be spent."""
        return sum(n.device_hours for n in self.nodes)

    @property
    def dollars(self) -> float:
        """Estimated dollars still to be spent."""
        return sum(n.dollars for n in self.nodes)
