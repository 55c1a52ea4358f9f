"""The list of runs."""

import sys
from pathlib import Path

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vibethinker.reports.words import duration, money
from vibethinker.runs.record import RunRecord, list_runs

DONE = ("sealed", "reused")
LEGEND = "An id holds the start in UTC. done: stages sealed or reused, of all. time, cost: of this run alone."
NEXT = {
    "completed": "`vibethinker report` shows the newest run's figures.",
    "running": "The newest run is still at work; its log.txt lies in runs/{run}.",
    "out_of_budget": "To continue {run}: its command again, with a higher --set budget.limit.",
}
CONTINUE = "To continue {run}: its command again; what is sealed is reused. Why it ended: runs/{run}/log.txt"


def show_runs(workspace: Path, json: bool) -> None:
    """A table for people, or JSON with every node."""
    found = [r.model_copy(update={"status": "killed"}) if r.was_killed() else r for r in list_runs(workspace)]
    if json:
        rows = [r.model_dump(exclude={"settings"}) for r in found]
        sys.stdout.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    console = Console()
    if not found:
        text = f"No run in {workspace}; start one with `vibethinker run tiny`, or give --workspace."
        console.print(text, markup=False, highlight=False, soft_wrap=not console.is_terminal)
        return
    console.print(_table(found), "")
    hint = NEXT.get(found[0].status, CONTINUE).format(run=found[0].run)
    for text, style in ((LEGEND, "dim"), (hint, "")):
        console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def _table(found: list[RunRecord]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("run", overflow="fold")
    table.add_column("status", min_width=9)
    for column in ("done", "time", "cost"):
        table.add_column(column, justify="right", no_wrap=True)
    for r in found:
        nodes = r.nodes.values()
        done = f"{sum(n.status in DONE for n in nodes)}/{len(nodes)}"
        decision = (r.promotion or {}).get("decision", "")
        status = ", ".join(filter(None, (r.status.replace("_", " "), decision)))
        table.add_row(
            r.run, status, done, duration(sum(n.seconds for n in nodes)), money(sum(n.dollars for n in nodes))
        )
    return table
