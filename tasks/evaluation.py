"""The reported suite and the promotion set."""

from tasks.context import context
from tasks.execute import execute
from tasks.stage_task import stage_task
from vibethinker.runs.manifest import Manifest


@stage_task("benchmark", run_name="{node}")
def benchmark(run: str, node: str, model: Manifest, sets: Manifest) -> Manifest:
    """One model on one set."""
    manifest = execute(opened := context(run), node)
    opened.prefect.table(node, [manifest.metrics], f"{node}: Pass@1 and Pass@K, overall and per domain")
    return manifest
