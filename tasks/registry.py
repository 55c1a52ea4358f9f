"""Registration of the final model in MLflow, and its promotion to `champion` by the gate."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tasks.context import PARENT, RunContext, context
from tasks.promotion import Candidate, promote_version
from tasks.recipe import profile_of
from tasks.registration import register_version
from tasks.registry_lock import LockHeld
from tasks.stage_task import stage_task
from vibethinker.promotion.copies import model_files
from vibethinker.promotion.gate import Decision
from vibethinker.promotion.measurement import measured_check, read_measurement
from vibethinker.runs.manifest import Manifest
from vibethinker.stages.recipe import benchmark_models, final_model

T = TypeVar("T")
PATIENCE = 120.0
"""Seconds that MLflow may take to register a version."""
PROMOTION_PATIENCE = 1200.0
"""Seconds for a promotion: the registered copy comes back, is hashed, and generates."""


@stage_task("register")
def register(run: str, node: str, model: Manifest, scores: Mapping[str, float]) -> str | None:
    """A model version with the benchmark's metrics and the weights' digest; the same weights are registered once.

    None where MLflow is away: the model is sealed, and the same command registers it later.
    """
    opened = context(run)
    name, folder = profile_of(opened).registry.model_name, opened.folder(node) / "model"

    def action(client: MlflowClient, ids: Mapping[str, str]) -> str:
        return register_version(client, ids[PARENT], name, folder, model, scores)

    version = _asked(opened, "register", "not registered", action, PATIENCE)
    if version is not None:
        opened.display.finish("register", f"{name} version {version}")
    return version


@stage_task("promote")
def promote(run: str, version: str | None, gate: Manifest) -> Decision | None:
    """Compares the candidate with the champion on the promotion set and moves the alias if the gate says so."""
    if version is None:
        return None
    opened = context(run)
    candidate = _candidate(opened, version, gate)
    name, rule = profile_of(opened).registry.model_name, profile_of(opened).promotion

    def action(client: MlflowClient, ids: Mapping[str, str]) -> Decision:
        return promote_version(client, name, candidate, rule, ids[PARENT])

    decision = _asked(opened, "promote", "not decided", action, PROMOTION_PATIENCE)
    if decision is not None:
        opened.store.update(promotion={"version": version, **decision.model_dump()})
        opened.display.finish("promote", f"{decision.decision}: {decision.reason}")
        opened.prefect.markdown("promotion", _page(decision), f"{run}: version {version} {decision.decision}, and why")
    return decision


def _candidate(opened: RunContext, version: str, gate: Manifest) -> Candidate:
    """The version, with what the sealed files of this run say of it."""
    profile = profile_of(opened)
    final = final_model(profile)
    node = benchmark_models(profile)[final][0]
    folder, model = opened.folder(f"gate-{final}"), Manifest.read(opened.folder(node))
    return Candidate(version, read_measurement(folder), measured_check(folder, gate, model), model_files(model))


def _page(decision: Decision) -> str:
    """The decision with its checks, as Markdown."""
    rows = [
        f"| {c.name} | {'passed' if c.passed else 'failed'} | {c.seen.replace('|', ' ')} |" for c in decision.checks
    ]
    return "\n".join(
        [f"**{decision.decision}**: {decision.reason}", "", "| check | result | seen |", "|---|---|---|", *rows]
    )


def _asked(
    run: RunContext,
    what: str,
    otherwise: str,
    action: Callable[[MlflowClient, Mapping[str, str]], T],
    patience: float,
) -> T | None:
    """What MLflow answers; None, said and recorded, where it is away (promise 5). otherwise: the record's word for that."""
    try:
        return run.mirror.call(action, patience)
    except LockHeld as error:
        reason = str(error)
    except (MlflowException, OSError) as error:
        reason = f"MLflow did not answer: {str(error)[:200]}; the same command does it later"
    run.store.update(promotion={"decision": otherwise, "reason": reason})
    run.display.finish(what, f"[yellow]not done[/]: {reason}")
    return None
