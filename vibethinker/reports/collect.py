"""Gathers a run's report from its sealed files. A failed or partial run gets a report of what there is."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson

from vibethinker.errors import DataError
from vibethinker.reports.context import context
from vibethinker.reports.data import Node, ReportData, RunInfo
from vibethinker.reports.hypotheses import judge
from vibethinker.reports.rounds import TITLES, expert_of, fused_of
from vibethinker.reports.sealed import read_counts, read_examples, read_questions, read_scores
from vibethinker.reports.sealed_spectrum import (
    read_choices,
    read_distilled,
    read_fusion,
    read_hard,
    read_probing,
    read_trajectory,
)
from vibethinker.reports.signal_events import read_curves, trained_tokens
from vibethinker.runs.manifest import Manifest, sealed

T = TypeVar("T")


def collect(run_folder: Path, workspace: Path) -> ReportData:
    """Reads run.json and the outputs it names. Raises DataError where run.json itself is missing or malformed."""
    record = _run_record(run_folder)
    notes: list[str] = []
    manifests = _manifests(record, workspace, notes)
    settings = record.get("settings") or {}
    nodes = tuple(_node(name, row, manifests.get(name), workspace) for name, row in record.get("nodes", {}).items())
    folders = {n.name: workspace / n.path for n in nodes if n.path}
    done = {name: folders[name] for name in manifests if name in folders}
    reader = _Reader(done, notes, {n.name: n.stage for n in nodes})
    order = model_order(settings, done)
    models = tuple(reader.each([f"benchmark-{m}" for m in order], read_scores))
    questions = reader.one("split", read_questions) or {}
    selections = list(reader.of("select", read_choices))
    examples = reader.each([f"benchmark-{m}" for m in order], lambda f: read_examples(f, questions))
    return ReportData(
        run=_run_info(run_folder, record, settings),
        nodes=nodes,
        counts=read_counts(done),
        trajectories=tuple(reader.of("expert", read_trajectory)),
        selection_rule=selections[0][0] if selections else "",
        choices=tuple(choice for _, choices in selections for choice in choices),
        fusions=tuple(f for f in reader.of("fuse", read_fusion) if f),
        distilled=tuple(reader.of("distill", read_distilled)),
        hard=tuple(reader.of("curriculum", read_hard)),
        probing=tuple(reader.of("probing", read_probing)),
        models=models,
        gates=tuple(reader.each([n for n in done if n.startswith("gate-")], read_scores)),
        curves=tuple(_curves(folders, order, notes)),
        hypotheses=judge(models, settings),
        promotion=record.get("promotion"),
        examples=tuple(e for rows in examples for e in rows),
        context=context(models, settings),
        versions={k: v for m in manifests.values() for k, v in sorted(m.versions.items())},
        notes=tuple(notes),
    )


def model_order(settings: dict[str, Any], names: dict[str, Path]) -> list[str]:
    """Models in the recipe's order: base, the rounds' experts and fusions, MGPO stages, student; then others measured."""
    domains = settings.get("domains") or {}
    stages = (settings.get("mgpo") or {}).get("stages") or ()
    rounds = {turn: [*(expert_of(turn, d) for d in domains), fused_of(turn)] for turn in TITLES}
    last = rounds.pop("student")
    known = ["base", *(m for turn in rounds.values() for m in turn), *(f"mgpo-{s['name']}" for s in stages), *last]
    measured = [n.removeprefix("benchmark-") for n in names if n.startswith("benchmark-")]
    made = [n for n in names if n.startswith("mgpo-")]
    return list(dict.fromkeys([*known, *measured, *made]))


class _Reader:
    """Reads sealed outputs; one that cannot be read becomes a note instead of the end of the report."""

    def __init__(self, done: dict[str, Path], notes: list[str], stages: Mapping[str, str]) -> None:
        self.done = done
        self.notes = notes
        self.stages = stages

    def one(self, name: str, read: Callable[[Path], T]) -> T | None:
        """The node's output, or None where it is not there."""
        return next(self.each([name], read), None)

    def of(self, stage: str, read: Callable[[Path], T]) -> Iterator[T]:
        """The outputs of one stage's nodes, in the run's order."""
        yield from self.each([n for n in self.done if self.stages.get(n) == stage], read)

    def each(self, names: list[str], read: Callable[[Path], T]) -> Iterator[T]:
        """The outputs of those nodes that are there."""
        for name in names:
            if name in self.done:
                try:
                    yield read(self.done[name])
                except (OSError, ValueError, KeyError, TypeError) as error:
                    self.notes.append(f"{name} could not be read: {type(error).__name__}: {error}")


def _run_record(run_folder: Path) -> dict[str, Any]:
    path = run_folder / "run.json"
    try:
        record = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise DataError(
            f"{path}: no readable run record ({error}); `vibethinker runs` lists the runs there are"
        ) from error
    if not isinstance(record, dict):
        raise DataError(f"{path}: expected an object, got {type(record).__name__}")
    return record


def _run_info(run_folder: Path, record: dict[str, Any], settings: dict[str, Any]) -> RunInfo:
    return RunInfo(
        id=str(record.get("run") or run_folder.name),
        profile=str(record.get("profile") or settings.get("name") or "?"),
        description=str(settings.get("description") or ""),
        status=str(record.get("status") or "?"),
        started=str(record.get("started") or ""),
        finished=record.get("finished"),
        mlflow_run=record.get("mlflow_run"),
        settings=settings,
    )


def _manifests(record: dict[str, Any], workspace: Path, notes: list[str]) -> dict[str, Manifest]:
    found = {}
    for name, row in record.get("nodes", {}).items():
        try:
            manifest = sealed(workspace / row["path"]) if row.get("path") else None
        except RuntimeError as error:
            notes.append(f"{name} has no usable seal: {error}")
            continue
        if manifest:
            found[name] = manifest
    return found


def _node(name: str, row: dict[str, Any], manifest: Manifest | None, workspace: Path) -> Node:
    cost = manifest.cost if manifest else None
    stage = manifest.stage if manifest else ""
    return Node(
        name=name,
        status=str(row.get("status") or "pending"),
        path=str(row.get("path") or ""),
        fingerprint=str(row.get("fingerprint") or ""),
        seconds=cost.seconds * cost.devices if cost else float(row.get("seconds") or 0.0),
        dollars=cost.dollars if cost else float(row.get("dollars") or 0.0),
        attempts=cost.attempts if cost else 0,
        device=f"{cost.devices} x {cost.device_type}" if cost else "",
        stage=stage,
        tokens=trained_tokens(workspace / row["path"]) if stage == "expert" else None,
    )


def _curves(folders: dict[str, Path], order: list[str], notes: list[str]) -> Iterator[Any]:
    """Curves need no seal: a stage that runs or failed has its events too."""
    there = {n: f for n, f in folders.items() if n in order and n.startswith("mgpo-") and f.exists()}
    yield from _Reader(there, notes, {}).each([n for n in order if n in there], read_curves)
