"""What the promotion gate decided, in words. A run that was not registered, or is of an older version, says less."""

from collections.abc import Mapping
from typing import Any

from vibethinker.reports.words import percent


def headline(promotion: Mapping[str, Any]) -> str:
    """Which version, what was decided and why."""
    version = f"version {promotion['version']} " if promotion.get("version") else ""
    return f"{version}{promotion['decision']}: {promotion['reason']}"


def facts(promotion: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of all that is known of the decision besides its checks."""
    rows = [(name, str(promotion[name])) for name in ("version", "decision", "reason") if promotion.get(name)]
    if promotion.get("candidate") is not None:
        rows.append(("Pass@1 on the promotion set", f"{percent(promotion['candidate'])}%"))
    if promotion.get("compared_with"):
        pass_at_1 = promotion.get("champion")
        reached = "" if pass_at_1 is None else f", Pass@1 {percent(pass_at_1)}%"
        rows.append(("champion at that moment", f"version {promotion['compared_with']}{reached}"))
    return rows


def checks(promotion: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, `passed` or `failed`, and what was seen."""
    return [(c["name"], "passed" if c["passed"] else "failed", c["seen"]) for c in promotion.get("checks") or ()]
