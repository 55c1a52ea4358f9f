"""A run's report, again."""

import sys
from pathlib import Path

import orjson
from rich.console import Console

from vibethinker.errors import DataError
from vibethinker.reports.collect import collect
from vibethinker.reports.page import write_report
from vibethinker.reports.terminal import render
from vibethinker.runs.record import list_runs


def show_report(workspace: Path, run: str, json: bool) -> None:
    """Tables in the terminal and the HTML page, or JSON. Raises DataError for a run that is not there."""
    found = [r.run for r in list_runs(workspace)]
    if not found:
        raise DataError(f"no run in {workspace}; start one with `vibethinker run tiny`, or give --workspace")
    if run == "latest":
        run = found[0]
    if run not in found:
        raise DataError(f"no run {run!r} in {workspace}; there are {', '.join(found[:5])}")
    folder = workspace / "runs" / run
    data = collect(folder, workspace.resolve())
    if json:
        sys.stdout.write(orjson.dumps(data.to_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    render(data, Console(), [str(write_report(data, folder))])
