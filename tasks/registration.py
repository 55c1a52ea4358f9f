"""A model becomes a version in MLflow's registry: files, the benchmark's metrics, the weights' digest."""

from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException

from tasks.model_versions import CHALLENGER, WEIGHTS, by_weights
from tasks.registry_lock import promotion_lock
from vibethinker.promotion.copies import model_files, weights_digest
from vibethinker.runs.manifest import Manifest


def register_version(
    client: MlflowClient, run_id: str, name: str, folder: Path, model: Manifest, scores: Mapping[str, float]
) -> str:
    """The version of these weights: the known one, or a new one from the model's folder. run_id: MLflow run that asks.

    Raises LockHeld, or MlflowException where MLflow is away.
    """
    weights = weights_digest(model_files(model))
    known = by_weights(client, name, weights)
    if known:
        return str(known.version)
    experiment = client.get_run(run_id).info.experiment_id
    logged = client.create_logged_model(experiment, name=name, source_run_id=run_id, model_type="causal-lm")
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    for metric, value in scores.items():
        client.log_metric(run_id, metric, value, model_id=logged.model_id)
    _named(client, name)
    tags = {WEIGHTS: weights, "fingerprint": model.fingerprint}
    with promotion_lock(client, name, run_id):  # two that register the same weights at once must make one version
        known = by_weights(client, name, weights)
        version = known or client.create_model_version(
            name, source=f"models:/{logged.model_id}", run_id=run_id, tags=tags, model_id=logged.model_id
        )
        client.set_registered_model_alias(name, CHALLENGER, version.version)
    return str(version.version)


def _named(client: MlflowClient, name: str) -> None:
    """The registered model, made where it is not there."""
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
