"""Registration of the final model in MLflow, and its promotion to `champion` by the gate."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from tasks.context import PARENT, RunContext, context
from tasks.stage_task import stage_task
from vibethinker.promotion.gate import Decision, Measurement, decide
from vibethinker.runs.manifest import Manifest

T = TypeVar("T")
PATIENCE = 120.0
"""Seconds that MLflow may take for one action."""
CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous_champion", "challenger"
GATE = "gate"
"""Artifact folder of the promotion set's measurement."""


@stage_task("register")
def register(run: str, node: str, model: Manifest, scores: Mapping[str, float]) -> str | None:
    """A model version with the benchmark's metrics and the weights' digest; the same weights are registered once.

    None where MLflow is away: the model is sealed, and the same command registers it later.
    """
    opened = context(run)
    name = opened.profile.registry.model_name
    weights = weights_digest(model)
    folder = opened.folder(node) / "model"

    def action(client: MlflowClient, ids: Mapping[str, str]) -> str:
        known = _version_of(client, name, weights)
        if known:
            return str(known.version)
        return _new_version(client, ids[PARENT], name, folder, model.fingerprint, weights, scores)

    version = _asked(opened, "register", action)
    if version is not None:
        opened.display.finish("register", f"{name} version {version}")
    return version


@stage_task("promote")
def promote(run: str, version: str | None, gate: Manifest) -> Decision | None:
    """Compares the candidate with the champion on the promotion set and moves the alias if the gate says so."""
    opened = context(run)
    if version is None:
        return None
    node = next(n for n, s in opened.store.read().nodes.items() if s.fingerprint == gate.fingerprint)
    candidate = read_measurement(opened.folder(node))
    rule = opened.profile.promotion

    def action(client: MlflowClient, ids: Mapping[str, str]) -> tuple[Decision, str | None]:
        champion = _alias(client, opened.profile.registry.model_name, CHAMPION)
        if champion and str(champion.version) == version:
            return Decision(
                decision="promoted", reason="this version is the champion already", candidate=_mean(gate)
            ), version
        measured = _measured(client, champion) if champion else None
        decision = decide(candidate, measured, rule.floor, rule.min_effect)
        _record(client, opened, version, champion, decision, candidate)
        return decision, str(champion.version) if champion else None

    answer = _asked(opened, "promote", action)
    if answer is None:
        return None
    decision, previous = answer
    opened.store.update(promotion={"version": version, "previous": previous, **decision.model_dump()})
    opened.display.finish("promote", f"{decision.decision}: {decision.reason}")
    return decision


def _asked(run: RunContext, what: str, action: Callable[[MlflowClient, Mapping[str, str]], T]) -> T | None:
    """What MLflow answers; None, said and recorded, where it is away (promise 5)."""
    try:
        return run.mirror.call(action, PATIENCE)
    except (MlflowException, OSError) as error:
        reason = f"MLflow did not answer: {str(error)[:200]}; the same command does it later"
        run.store.update(promotion={"decision": "not registered", "reason": reason})
        run.display.finish(what, f"[yellow]not done[/]: {reason}")
        return None


def weights_digest(manifest: Manifest) -> str:
    """Identity of a model's weights: digests of its safetensors files, in order."""
    return "+".join(
        r.sha256 for n, r in sorted(manifest.files.items()) if n.startswith("model/") and n.endswith(".safetensors")
    )


def read_measurement(folder: Path) -> Measurement:
    """What a sealed benchmark of the promotion set measured."""
    scores = orjson.loads((folder / "scores.json").read_bytes())
    counts = orjson.loads((folder / "questions.json").read_bytes())
    return Measurement(set_digest=scores["digest"], sampling=scores["sampling"], counts=counts)


def _mean(gate: Manifest) -> float:
    return gate.metrics["pass_at_1"]


def _version_of(client: MlflowClient, name: str, weights: str) -> ModelVersion | None:
    found = client.search_model_versions(f"name = '{name}' and tags.weights_sha256 = '{weights}'")
    return found[0] if found else None


def _alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException:
        return None


def _new_version(
    client: MlflowClient,
    run_id: str,
    name: str,
    folder: Path,
    fingerprint: str,
    weights: str,
    scores: Mapping[str, float],
) -> str:
    experiment = client.get_run(run_id).info.experiment_id
    logged = client.create_logged_model(experiment, name=name, source_run_id=run_id, model_type="causal-lm")
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    for metric, value in scores.items():
        client.log_metric(run_id, metric, value, model_id=logged.model_id)
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {"weights_sha256": weights, "fingerprint": fingerprint}
    version = client.create_model_version(
        name, source=f"models:/{logged.model_id}", run_id=run_id, tags=tags, model_id=logged.model_id
    )
    client.set_registered_model_alias(name, CHALLENGER, version.version)
    return str(version.version)


def _measured(client: MlflowClient, champion: ModelVersion) -> Measurement:
    """The champion's own measurement, an artifact of the run that registered it."""
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(str(champion.run_id), f"{GATE}/measurement.json", folder)
        return Measurement.model_validate_json(Path(path).read_bytes())


def _record(
    client: MlflowClient,
    run: RunContext,
    version: str,
    champion: ModelVersion | None,
    decision: Decision,
    candidate: Measurement,
) -> None:
    """Measurement, reasons and tags first; the alias moves last."""
    name = run.profile.registry.model_name
    owner: Any = client.get_model_version(name, version)
    client.log_text(owner.run_id, candidate.model_dump_json(), f"{GATE}/measurement.json")
    client.log_text(owner.run_id, decision.model_dump_json(indent=2), f"{GATE}/decision.json")
    client.set_model_version_tag(name, version, "decision", decision.decision)
    client.set_model_version_tag(name, version, "reason", decision.reason)
    if decision.decision == "promoted":
        if champion:
            client.set_registered_model_alias(name, PREVIOUS, champion.version)
        client.set_registered_model_alias(name, CHAMPION, version)
