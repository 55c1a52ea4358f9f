"""The report of a run: terminal, one HTML page, MLflow and Prefect artifacts."""

from io import StringIO
from pathlib import Path

from rich.console import Console

from tasks.context import PARENT, RunContext
from vibethinker.reports.collect import collect
from vibethinker.reports.page import write_report
from vibethinker.reports.terminal import render


def report(run: RunContext) -> Path:
    """Writes the page, mirrors it, and shows the tables."""
    data = collect(run.store.folder, run.workspace)
    page = write_report(data, run.store.folder)
    run.mirror.artifact(PARENT, page, "report")
    run.mirror.artifact(PARENT, run.store.folder / "plots", "report/plots")
    paper = Console(record=True, width=100, file=StringIO())
    render(data, paper)
    text = paper.export_text().replace("─", "-")  # the page's font has no such line of the letters' width
    run.prefect.markdown("report", f"```text\n{text}\n```", f"{run.run}: what the run shows")
    render(data, run.display.console, [str(page)])
    return page
