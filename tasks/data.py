"""Ingest, decontaminate, split."""

from tasks.context import context
from tasks.execute import execute
from tasks.stage_task import stage_task
from vibethinker.runs.manifest import Manifest


@stage_task("ingest")
def ingest(run: str) -> Manifest:
    """Rows of all sources as problems."""
    manifest = execute(opened := context(run), "ingest")
    opened.prefect.table("ingest", [manifest.metrics], "rows taken in by role, and rows quarantined")
    return manifest


@stage_task("decontaminate")
def decontaminate(run: str, problems: Manifest) -> Manifest:
    """Training rows that overlap the benchmark go [A 3.5]."""
    manifest = execute(opened := context(run), "decontaminate")
    opened.prefect.table(
        "decontaminate",
        [manifest.metrics],
        "training rows, and those dropped for overlapping a benchmark question",
    )
    return manifest


@stage_task("split")
def split(run: str, problems: Manifest, clean: Manifest) -> Manifest:
    """Disjoint sets per domain."""
    manifest = execute(opened := context(run), "split")
    opened.prefect.table("split", [manifest.metrics], "problems in each set")
    return manifest
