"""`previous_champion` becomes champion again, its registered files compared with their digest first.

Under the promotions' lock, record first. `previous_champion` goes last: after a crash in between the same command finishes.
"""

import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from tasks.model_versions import CHAMPION, PREVIOUS, ROLLED_BACK, WEIGHTS, by_alias, download, number
from tasks.promotion import GATE
from tasks.registry_lock import promotion_lock
from vibethinker.config.profile import Profile
from vibethinker.errors import ConfigError, VibeThinkerError
from vibethinker.promotion.copies import folder_files, weights_digest
from vibethinker.promotion.rollback import Rollback
from vibethinker.runs.manifest import now
from vibethinker.tracking.servers import mlflow_place

SQLITE = "sqlite:///"


def rollback(profile: Profile, workspace: Path, reason: str) -> Rollback:
    """Takes the champion of the profile's registered model back.

    Raises ConfigError where there is nothing to restore, VibeThinkerError where its files are not what was registered
    (nothing has moved then) or MLflow does not answer.
    """
    uri, _ = mlflow_place(workspace.resolve())
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).exists():
        raise ConfigError(
            f"--workspace {str(workspace)!r} has no registry ({uri}): give the workspace of the run that promoted, "
            "or set MLFLOW_TRACKING_URI"
        )
    mlflow.set_tracking_uri(uri)  # the registry's store looks logged models up there, whatever its client was given
    try:
        return roll_back(MlflowClient(uri), profile.registry.model_name, reason)
    except VibeThinkerError:
        raise
    except (MlflowException, OSError) as error:
        raise VibeThinkerError(
            f"MLflow at {uri} did not answer ({str(error)[:200]}): start it (`vibethinker up`) or correct "
            "MLFLOW_TRACKING_URI, and run the same command again"
        ) from error


def roll_back(client: MlflowClient, name: str, reason: str) -> Rollback:
    """The same for a registered model's name."""
    while True:
        champion, previous = _pair(client, name)
        if champion.version == previous.version:
            return _finished(client, name, previous)
        weights = _verified(client, previous)
        with promotion_lock(client, name, "rollback") as still_ours:
            if not _unmoved(client, champion, previous):
                continue
            result = Rollback(
                model=name,
                rolled_back=str(champion.version),
                champion=str(previous.version),
                weights_sha256=weights,
                reason=reason,
                rolled_back_at=now(),
            )
            _record(client, champion, result)
            if not still_ours() or not _unmoved(client, champion, previous):
                continue
            client.set_registered_model_alias(name, CHAMPION, previous.version)
            client.delete_registered_model_alias(name, PREVIOUS)
            return result


def _pair(client: MlflowClient, name: str) -> tuple[ModelVersion, ModelVersion]:
    """Champion and the one before it. Raises ConfigError where one is missing."""
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise ConfigError(
            f"registry.model_name {name!r} is not registered at {client.tracking_uri}: give the profile and the "
            "workspace of the run that promoted it"
        ) from error
    champion, previous = by_alias(client, name, CHAMPION), by_alias(client, name, PREVIOUS)
    if champion is None:
        raise ConfigError(f"{name!r} has no alias {CHAMPION}: nothing was promoted that could be rolled back")
    if previous is None:
        raise ConfigError(
            f"{name!r} has no alias {PREVIOUS}: champion version {champion.version} has nothing before it; to take it "
            f"down without another, delete the alias {CHAMPION} in MLflow"
        )
    return champion, previous


def _unmoved(client: MlflowClient, champion: ModelVersion, previous: ModelVersion) -> bool:
    found = [number(by_alias(client, champion.name, alias)) for alias in (CHAMPION, PREVIOUS)]
    return found == [number(champion), number(previous)]


def _verified(client: MlflowClient, version: ModelVersion) -> str:
    """Digest of the version's weights, downloaded. Raises VibeThinkerError where it is not the registered one."""
    tag = version.tags.get(WEIGHTS)
    with tempfile.TemporaryDirectory() as folder:
        found = weights_digest(folder_files(download(client, version, Path(folder))))
    if found != tag:
        raise VibeThinkerError(
            f"{PREVIOUS} of {version.name!r} is version {version.version}, whose weights have sha256 {found[:12] or 'none'}, "
            f"registered were {(tag or 'none')[:12]}: nothing has moved; restore its files in MLflow, or set the alias "
            f"{PREVIOUS} to a sound version"
        )
    return found


def _record(client: MlflowClient, version: ModelVersion, result: Rollback) -> None:
    """What was decided, on the version that is taken back and on its run."""
    client.log_text(str(version.run_id), result.model_dump_json(indent=2), f"{GATE}/rollback.json")
    tags = {"decision": "rolled back", "reason": result.reason, ROLLED_BACK: result.rolled_back_at}
    for key, value in tags.items():
        client.set_model_version_tag(version.name, version.version, key, value)


def _finished(client: MlflowClient, name: str, champion: ModelVersion) -> Rollback:
    """What is left of a rollback that was killed between the two aliases: the record says what it was."""
    for version in client.search_model_versions(f"name = '{name}' and tags.decision = 'rolled back'"):
        with tempfile.TemporaryDirectory() as folder:
            path = client.download_artifacts(str(version.run_id), f"{GATE}/rollback.json", folder)
            result = Rollback.model_validate_json(Path(path).read_bytes())
        if result.champion == number(champion):
            client.delete_registered_model_alias(name, PREVIOUS)
            return result
    raise ConfigError(
        f"{PREVIOUS} of {name!r} is the champion itself, version {champion.version}: a promotion was interrupted before "
        "it moved the champion; run it again"
    )
