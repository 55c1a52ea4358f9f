"""The plan as a table."""

import sys
from dataclasses import asdict

import orjson
from rich.console import Console
from rich.table import Table

from vibethinker.budget.forecast import Plan


def show_plan(plan: Plan, json: bool) -> None:
    """A table for people, or JSON."""
    if json:
        totals = {"device_hours": plan.device_hours, "dollars": plan.dollars}
        sys.stdout.write(orjson.dumps(asdict(plan) | totals, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = Table(title=f"Plan of {plan.profile}", caption=_caption(plan))
    table.add_column("stage", no_wrap=True)
    table.add_column("state")
    for column in ("device-hours", "dollars", "estimate from"):
        table.add_column(column, justify="right")
    for n in plan.nodes:
        state = "[cyan]reused[/]" if n.reusable else "to run"
        table.add_row(n.node, state, f"{n.device_hours:,.4g}", f"{n.dollars:,.4g}", n.basis)
    table.add_section()
    table.add_row("total", "", f"{plan.device_hours:,.4g}", f"{plan.dollars:,.4g}", "")
    Console().print(table)


def _caption(plan: Plan) -> str:
    left = plan.limit - plan.spent
    fits = "within" if plan.dollars <= left else "[red]above[/]"
    return (
        f"{plan.device_type} at ${plan.rate:g} an hour; limit ${plan.limit:,.2f}, spent ${plan.spent:,.4f}: "
        f"the estimate of ${plan.dollars:,.4g} is {fits} what is left"
    )
