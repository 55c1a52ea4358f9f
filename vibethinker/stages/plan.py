"""The plan of a profile in a workspace: what a run would do and cost, before anything is spent."""

from pathlib import Path

from vibethinker.budget.forecast import Plan, PlannedNode
from vibethinker.budget.ledger import Ledger
from vibethinker.config.profile import Profile
from vibethinker.runs.manifest import sealed
from vibethinker.stages.recipe import fingerprints, recipe


def make_plan(profile: Profile, workspace: Path) -> Plan:
    """Fingerprints say what is reusable; the ledger, or else the profile's estimates, what the rest costs."""
    ledger = Ledger(workspace / "ledger.sqlite") if (workspace / "ledger.sqlite").exists() else None
    measured = _measured(ledger, profile.name)
    nodes, prints = recipe(profile), fingerprints(recipe(profile))
    planned = []
    for name, node in nodes.items():
        done = sealed(workspace / "stages" / f"{name}-{prints[name][:12]}") is not None
        hours, basis = (
            (0.0, "sealed") if done else measured.get(name, (profile.budget.estimates.get(node.stage, 0.0), "profile"))
        )
        planned.append(PlannedNode(name, node.stage, prints[name], done, hours, hours * profile.budget.rate, basis))
    budget = profile.budget
    spent = ledger.spent(account=profile.name) if ledger else 0.0
    return Plan(profile.name, budget.device_type, budget.rate, budget.limit, spent, planned)


def _measured(ledger: Ledger | None, account: str) -> dict[str, tuple[float, str]]:
    """Node -> device-hours of its newest settled lease in this account."""
    rows = ledger.rows() if ledger else []
    settled = [r for r in rows if r["account"] == account and r["settled_at"]]
    return {r["node"]: (r["seconds"] * r["devices"] / 3600, "ledger") for r in settled}
