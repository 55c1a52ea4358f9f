"""The list of runs."""

import sys
from collections import Counter
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from vibethinker.runs.record import list_runs


def show_runs(workspace: Path, json: bool) -> None:
    """A table for people, or JSON with every node."""
    found = [r.model_copy(update={"status": "killed"}) if r.was_killed() else r for r in list_runs(workspace)]
    if json:
        rows = [r.model_dump(exclude={"settings"}) for r in found]
        sys.stdout.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = Table(title=f"Runs in {workspace}")
    for column in ("run", "started", "status", "stages", "seconds", "dollars", "promotion"):
        table.add_column(column, overflow="fold")
    for r in found:
        counts = Counter(n.status for n in r.nodes.values())
        stages = ", ".join(f"{count} {status}" for status, count in counts.items())
        seconds, dollars = (sum(getattr(n, field) for n in r.nodes.values()) for field in ("seconds", "dollars"))
        decision = (r.promotion or {}).get("decision", "")
        table.add_row(r.run, r.started, r.status, stages, f"{seconds:.0f}", f"{dollars:.4f}", decision)
    Console().print(table)
