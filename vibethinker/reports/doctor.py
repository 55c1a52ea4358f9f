"""What `vibethinker doctor` shows: every finding about this machine, and what to do about those that are not ok."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vibethinker.runs.finding import Finding

LOOKS = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def show_doctor(findings: Sequence[Finding], json: bool, start: str) -> None:
    """A table for people, or JSON: a list of {"name", "status", "text", "mend"}. start: the command of such a run."""
    if json:
        rows = [asdict(f) for f in findings]
        sys.stdout.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("checked", overflow="fold", max_width=30)
    table.add_column("status", overflow="fold", min_width=7)
    table.add_column("found", overflow="fold", ratio=1)
    for f in findings:
        found = Text(f"{f.text}\n-> {f.mend}" if f.mend else f.text)  # as it is: paths may hold brackets
        table.add_row(Text(f.name), Text(f.status, style=LOOKS[f.status]), found)
    console = Console()
    console.print(table)
    console.print(_summary(findings))
    console.print(Text(f"  {start}"), soft_wrap=True)  # never broken, so that it can be copied


def _summary(findings: Sequence[Finding]) -> str:
    counts = Counter(f.status for f in findings)
    if number := counts["problem"]:
        return f"\nA run can't start yet: mend {_count(number, 'problem')}, then:"
    if number := counts["warning"]:
        return f"\nA run can start; {_count(number, 'warning')} to look at. Next:"
    return "\nAll is well: a run can start. Next:"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number > 1 else ''}"
