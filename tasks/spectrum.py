"""The spectrum: base, expert SFT with probes, selection, fusion [A 3.3]."""

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
    domains = sorted({name.split("/")[0] for name in manifest.metrics})
    figures = ("step", "pass_at_1", "pass_at_k")
    opened.prefect.table(
        node,
        [{"domain": d, **{f: manifest.metrics[f"{d}/{f}"] for f in figures}} for d in domains],
        "selected checkpoints",
    )
    return manifest


@stage_task("fuse", run_name="{node}")
def fuse(run: str, node: str, selected: Manifest) -> Manifest:
    """Weighted average of the experts."""
    return execute(context(run), node)
