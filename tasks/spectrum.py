"""The spectrum: base, expert SFT with probes, selection, fusion [A 3.3]."""

from collections.abc import Mapping

from tasks.context import context
from tasks.execute import execute
from tasks.stage_task import stage_task
from vibethinker.runs.manifest import Manifest


@stage_task("base")
def base(run: str, sets: Manifest) -> Manifest:
    """The model that the recipe starts from."""
    return execute(context(run), "base")


@stage_task("traces", run_name="{node}")
def traces(run: str, node: str, made: list[Manifest]) -> Manifest:
    """Traces or probing problems that models write: distillation, the hard subset, probing sets."""
    manifest = execute(opened := context(run), node)
    opened.prefect.table(node, [manifest.metrics], f"{node}: problems, traces, and what they cost")
    return manifest


@stage_task("expert", run_name="{node}")
def expert(run: str, node: str, made: list[Manifest]) -> Manifest:
    """SFT of one expert, probed along its trajectory."""
    return execute(context(run), node)


@stage_task("select", run_name="{node}")
def select(run: str, node: str, experts: list[Manifest]) -> Manifest:
    """argmax of Pass@K per domain."""
    manifest = execute(opened := context(run), node)
    opened.prefect.table(node, _by_domain(manifest.metrics), f"{node}: the selected checkpoints, on the probing sets")
    return manifest


@stage_task("fuse", run_name="{node}")
def fuse(run: str, node: str, selected: Manifest) -> Manifest:
    """Weighted average of the experts."""
    manifest = execute(opened := context(run), node)
    opened.prefect.table(node, [manifest.metrics], f"{node}: the experts' weights, and what a search for them bought")
    return manifest


def _by_domain(metrics: Mapping[str, float]) -> list[dict[str, object]]:
    """Metrics `<domain>/<figure>` as a row per domain; a dash where only other domains have the figure."""
    names = [name.rpartition("/")[::2] for name in metrics]
    figures = dict.fromkeys(figure for _, figure in names)
    return [
        {"domain": domain} | {figure: metrics.get(f"{domain}/{figure}", "-") for figure in figures}
        for domain in dict.fromkeys(domain for domain, _ in names)
    ]
