"""The plan as a table."""

import sys
from dataclasses import asdict

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vibethinker.budget.forecast import Plan
from vibethinker.reports.words import money

BASES = "Estimates: ledger, as the stage cost here before; profile, as budget.estimates says; sealed, already paid."


def show_plan(plan: Plan, json: bool, start: str) -> None:
    """A table for people, or JSON. start: the command of such a run."""
    if json:
        totals = {"device_hours": plan.device_hours, "dollars": plan.dollars}
        sys.stdout.write(orjson.dumps(asdict(plan) | totals, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    console = Console()
    console.print(Text(f"Plan of {plan.profile}\n", style="bold"), _table(plan), "")
    for text in (Text(BASES, style="dim"), _verdict(plan), Text("Nothing is spent yet. Next:")):
        console.print(text, soft_wrap=not console.is_terminal)
    console.print(Text(f"  {start}"), soft_wrap=True)  # never broken, so that it can be copied


def _table(plan: Plan) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("state")
    for column in ("device-hours", "cost", "estimate"):
        table.add_column(column, justify="right")
    for n in plan.nodes:
        state = Text("reused", style="cyan") if n.reusable else "to run"
        table.add_row(n.node, state, f"{n.device_hours:,.4g}", money(n.dollars), n.basis)
    table.add_section()
    table.add_row("total", "", f"{plan.device_hours:,.4g}", money(plan.dollars), "")
    return table


def _verdict(plan: Plan) -> Text:
    left = max(0.0, plan.limit - plan.spent)
    text = f"{money(plan.spent)} of the limit {money(plan.limit)} spent, at ${plan.rate:g} per {plan.device_type} and hour: "
    if plan.dollars <= left:
        return Text(f"{text}the estimate of {money(plan.dollars)} is within what is left.")
    above = f"the estimate of {money(plan.dollars)} is above what is left; raise budget.limit."
    return Text.assemble(text, (above, "bold red"))
