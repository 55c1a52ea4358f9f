"""Runs one node of the recipe: finds its seal, or launches its stage; mirrors what it says to MLflow, Prefect and the terminal."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.markup import escape

from tasks.context import PARENT, RunContext
from vibethinker.runs.device import billed_devices, chosen_device, stage_gpus, stage_threads, usable_gpus
from vibethinker.runs.launch import NO_GPUS, run_stage
from vibethinker.runs.lease import LeaseTerms
from vibethinker.runs.manifest import InputRef, Manifest, sealed
from vibethinker.runs.slots import GpuSlots, locks_folder
from vibethinker.runs.spec import Runtime, StageSpec
from vibethinker.stages.node import Node
from vibethinker.stages.recipe import VERSIONS

SMALL = 1 << 20
"""Sealed files up to this size are MLflow artifacts of their stage's run."""


def execute(run: RunContext, name: str) -> Manifest:
    """The sealed output of a node. Raises what `run_stage` raises."""
    node, state = run.nodes[name], run.store.read().nodes[name]
    folder = run.workspace / state.path
    inputs = {i: _reference(run, source) for i, source in node.inputs.items()}
    manifest = reusable(folder, inputs)
    if manifest is not None:
        run.store.update_node(name, status="reused")
        run.display.finish(name, "[cyan]reused[/]")
        return manifest
    threads = stage_threads(run.settings.compute, node.together)
    with run.slots.taken(threads, lambda text: run.display.log(f"{name} {text}")):
        return _launch(run, node, _spec(run, node, folder, inputs))


def reusable(folder: Path, inputs: Mapping[str, InputRef]) -> Manifest | None:
    """The seal, if it was made from inputs with just these contents."""
    manifest = sealed(folder)
    return manifest if manifest and manifest.made_from(inputs) else None


def _reference(run: RunContext, node: str) -> InputRef:
    folder = run.folder(node)
    manifest = Manifest.read(folder)
    return InputRef(
        fingerprint=manifest.fingerprint, digest=manifest.digest, path=str(folder.relative_to(run.workspace))
    )


def _spec(run: RunContext, node: Node, folder: Path, inputs: dict[str, InputRef]) -> StageSpec:
    compute, budget = run.settings.compute, run.settings.budget
    runtime = Runtime(
        device=chosen_device(compute),
        precision=compute.precision,
        threads=stage_threads(compute, node.together),
        devices=billed_devices(compute, node.together),
        device_type=budget.device_type,
        rate=budget.rate,
        processes=compute.processes,
        engine=compute.engine,
    )
    return StageSpec(
        node=node.name,
        stage=node.stage,
        version=VERSIONS[node.stage],
        fingerprint=run.store.read().nodes[node.name].fingerprint,
        settings=dict(node.settings),
        inputs=inputs,
        places=dict(node.places),
        folder=folder,
        workspace=run.workspace,
        runtime=runtime,
    )


def _gpus(run: RunContext, node: str) -> GpuSlots:
    """How it takes its GPUs; none on a CPU."""
    if not (wanted := stage_gpus(run.settings.compute)):
        return NO_GPUS
    label = f"{node} of {run.run} in {run.workspace}"
    return GpuSlots(
        wanted, usable_gpus(), locks_folder(), label, lambda text: run.display.say(escape(f"{node} {text}"))
    )


def _launch(run: RunContext, node: Node, spec: StageSpec) -> Manifest:
    run.store.update_node(node.name, status="running")
    run.display.start(node.name)
    run.mirror.start_run(
        node.name, node.name, PARENT, {"vibethinker.node": node.name, "vibethinker.fingerprint": spec.fingerprint}
    )
    run.mirror.params(node.name, {**spec.settings, "runtime": spec.runtime.model_dump()})

    def on_events(events: list[dict[str, Any]]) -> None:
        run.display.events(node.name, events)
        run.mirror.events(node.name, events)

    manifest = None
    try:
        manifest = run_stage(
            spec,
            [sys.executable, "-m", "vibethinker.stages", node.stage, "--spec"],
            run.ledger,
            on_events,
            LeaseTerms(account=run.settings.name, run=run.run, limit=run.settings.budget.limit),
            run.stop.is_set,
            gpus=_gpus(run, node.name),
        )
        return manifest
    finally:
        paid = [row for row in run.ledger.rows(run.run) if row["node"] == node.name]
        seconds, dollars = sum(row["seconds"] for row in paid), sum(row["dollars"] for row in paid)
        run.store.update_node(node.name, status="sealed" if manifest else "failed", seconds=seconds, dollars=dollars)
        _mirror_end(run, node.name, spec.folder, manifest, seconds, dollars)
        run.display.finish(node.name, _ending(manifest, seconds) if paid or manifest else "[red]not started[/]")


def _mirror_end(
    run: RunContext, node: str, folder: Path, manifest: Manifest | None, seconds: float, dollars: float
) -> None:
    if manifest:
        run.mirror.metrics(
            node,
            {f"final/{k}": v for k, v in manifest.metrics.items()} | {"cost/seconds": seconds, "cost/dollars": dollars},
        )
        run.mirror.datasets(node, {name: reference.digest for name, reference in manifest.inputs.items()})
        run.mirror.artifact(node, folder / "manifest.json")
        for name, record in manifest.files.items():
            if record.bytes <= SMALL and name.endswith((".json", ".jsonl")) and "/" not in name:
                run.mirror.artifact(node, folder / name)
    run.mirror.end_run(node, manifest is not None)


def _ending(manifest: Manifest | None, seconds: float) -> str:
    """How long it took, and the few figures worth a line."""
    if manifest is None:
        return f"[red]not sealed[/] {seconds:6.1f} s"
    wanted = ("train", "dropped", "quarantined", "loss", "reward", "pass_at_1", "pass_at_k")
    figures = "  ".join(f"{k} {_short(manifest.metrics[k])}" for k in wanted if k in manifest.metrics)
    return f"[green]sealed[/] {seconds:6.1f} s  {figures}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.3f}"
