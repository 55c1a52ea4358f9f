"""A benchmark run as data: one node a model that is loaded here, one node for each model and benchmark.

Light on imports, as the recipe is.
"""

from pathlib import Path
from typing import Any

from vibethinker.config.benchmark import BenchmarkSpec
from vibethinker.config.benchmark_run import BenchmarkRun, MeasuredModel
from vibethinker.data.benchmark_files import local_files, rows_digest
from vibethinker.models.identity import model_digest
from vibethinker.stages.node import Node, served
from vibethinker.verifiers import GRADING_VERSION


def suite_nodes(run: BenchmarkRun) -> dict[str, Node]:
    """Models first. Raises ConfigError where a model or a file is not there."""
    models = [_model(m) for m in run.models if not m.endpoint]
    together = len(run.models) * len(run.benchmarks)
    measured = [_measured(run, model, benchmark, together) for model in run.models for benchmark in run.benchmarks]
    return {n.name: n for n in [*models, *measured]}


def model_node(model: MeasuredModel) -> str:
    """Node that holds a model's weights."""
    return f"model-{model.label}"


def measured_node(model: MeasuredModel, benchmark: BenchmarkSpec) -> str:
    """Node of one model on one benchmark."""
    return f"{benchmark.name}-{model.label}"


def _model(model: MeasuredModel) -> Node:
    settings = {"source": "pretrained", "digest": model_digest(model.source, model.revision)}
    return Node(model_node(model), "base", settings, places={"model": model.source, "revision": model.revision})


def _measured(run: BenchmarkRun, model: MeasuredModel, benchmark: BenchmarkSpec, together: int) -> Node:
    folder = Path(run.data).expanduser() if run.data else None
    settings: dict[str, Any] = {
        "benchmark": benchmark.model_dump(mode="json"),
        "rows": rows_digest(benchmark, folder),
        "grading": GRADING_VERSION,
        "model": model.label,
        "system_prompt": model.system_prompt,
        "endpoint": served(model.endpoint),
        "protocol": run.protocol[benchmark.name].model_dump(),
        "suite_protocol": run.suite_protocol[benchmark.name].model_dump(),
        "report": run.report,
        "limit": run.limit,
        "k": list(run.k),
        "judge": served(run.judge),
        "clr": run.clr.model_dump() if run.clr else None,
        "seed": run.seed,
        "precision": run.compute.precision,
        "engine": run.compute.engine.kind,
    }
    inputs = {} if model.endpoint else {"model": model_node(model)}
    places = {"data": str(folder)} if local_files(benchmark, folder) else {}
    places |= {"endpoint": model.endpoint.model_dump_json()} if model.endpoint else {}
    places |= {"judge": run.judge.model_dump_json()} if run.judge else {}
    return Node(measured_node(model, benchmark), "suite", settings, inputs, places, together)
