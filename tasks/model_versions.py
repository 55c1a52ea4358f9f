"""Versions of a registered model in MLflow: found by alias or weights, and brought back as files."""

from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from vibethinker.errors import DataError

CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous_champion", "challenger"
ROLLED_BACK = "rolled_back_at"
"""Tag of a version that was champion and was taken back: it is not promoted again."""
WEIGHTS = "weights_sha256"
"""Tag with the weights' identity, see `weights_digest`."""
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""How MLflow says that there is no such model, or no such alias: anything else is no answer."""


def by_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """The version under an alias, if there is one."""
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        return None


def by_weights(client: MlflowClient, name: str, weights: str) -> ModelVersion | None:
    """The newest version with these weights, if there is one."""
    found = client.search_model_versions(f"name = '{name}' and tags.{WEIGHTS} = '{weights}'")
    return max(found, key=lambda v: int(v.version), default=None)


def number(version: ModelVersion | None) -> str | None:
    """The version as text."""
    return None if version is None else str(version.version)


def download(client: MlflowClient, version: ModelVersion, folder: Path) -> Path:
    """The version's registered files, copied below folder. Raises DataError where MLflow has them no more."""
    uri = f"models:/{version.name}/{version.version}"
    where = {"tracking_uri": client.tracking_uri, "registry_uri": client.tracking_uri}
    try:
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder), **where))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise DataError(
            f"version {version.version} of {version.name!r} has no files in MLflow ({error}): restore them there"
        ) from error
