"""The gate's decision about a registered version, its record, and the alias that moves last.

Checks that cost time are made outside the lock, so it is held for a few requests. Under it the champion is read again: if
another one was promoted meanwhile, the decision starts anew. The order (record, `previous_champion`, `champion`) leaves
after a crash between any two what the same command finishes: the champion is the old one until the last request.
"""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import RunTag
from mlflow.entities.model_registry import ModelVersion
from pydantic import ValidationError

from tasks.model_versions import CHAMPION, PREVIOUS, ROLLED_BACK, WEIGHTS, by_alias, download, number
from tasks.registry_lock import promotion_lock
from vibethinker.config.profile import PromotionSettings
from vibethinker.errors import DataError
from vibethinker.promotion.checks import Check
from vibethinker.promotion.copies import files_check, folder_files, generates_check, weights_digest
from vibethinker.promotion.gate import Decision, decide, mean_rate
from vibethinker.promotion.measurement import Measurement

GATE = "gate"
"""Artifact folder of measurement and decision."""
TAGS = ("decision", "reason", "effect", "low", "high", "compared_with")
"""Fields of the decision that are tags too."""


@dataclass(frozen=True)
class Candidate:
    """A registered version that wants to be champion."""

    version: str
    measurement: Measurement
    measured: Check
    """Whether the sealed files bear the measurement out."""
    files: Mapping[str, str]
    """The sealed model: name -> sha256."""


def promote_version(
    client: MlflowClient, name: str, candidate: Candidate, rule: PromotionSettings, run_id: str
) -> Decision:
    """Decides, records why, and moves the aliases if the gate says so. run_id: MLflow run that asks.

    Raises LockHeld, or MlflowException where MLflow is away.
    """
    copy: list[Check] = []
    while True:
        champion = by_alias(client, name, CHAMPION)
        version = client.get_model_version(name, candidate.version)
        settled = _settled(version, champion, candidate)
        if settled:
            _tag_run(client, run_id, settled)
            return settled
        decision = _by_figures(client, champion, candidate, rule)
        if decision.decision == "promoted":
            copy = copy or [candidate.measured, *_copy_checks(client, version, candidate.files)]
            decision = decision.after(copy)
        if decision.decision == "refused":
            _record(client, version, decision, candidate.measurement, run_id)
            return decision
        if _moved(client, version, champion, decision, candidate.measurement, run_id):
            return decision


def _settled(version: ModelVersion, champion: ModelVersion | None, candidate: Candidate) -> Decision | None:
    """What needs no comparison: the champion itself, and a version that was rolled back."""
    mean, compared = mean_rate(candidate.measurement), number(champion)
    if compared == candidate.version:
        return Decision(decision="unchanged", reason=f"version {compared} is the champion already", candidate=mean)
    if ROLLED_BACK in version.tags:
        reason = (
            f"version {candidate.version} was rolled back at {version.tags[ROLLED_BACK]} "
            f"({version.tags.get('reason', '')}); delete its tag {ROLLED_BACK} to let it be compared again"
        )
        check = Check(name="not rolled back", passed=False, seen=reason)
        return Decision(decision="refused", reason=reason, candidate=mean, compared_with=compared, checks=(check,))
    return None


def _by_figures(
    client: MlflowClient, champion: ModelVersion | None, candidate: Candidate, rule: PromotionSettings
) -> Decision:
    measured = _measured(client, champion) if champion else None
    if isinstance(measured, Check):
        decision = Decision(
            decision="refused", reason=measured.seen, candidate=mean_rate(candidate.measurement), checks=(measured,)
        )
    else:
        decision = decide(candidate.measurement, measured, rule.floor, rule.min_effect, rule.interval)
    return decision.model_copy(update={"compared_with": number(champion)})


def _measured(client: MlflowClient, champion: ModelVersion) -> Measurement | Check:
    """The champion's own measurement, an artifact of the run that registered it; a failed check where there is none."""
    path = f"{GATE}/measurement.json"
    try:
        if all(a.path != path for a in client.list_artifacts(str(champion.run_id), GATE)):
            raise FileNotFoundError(f"run {champion.run_id} has no artifact {path}")
        with tempfile.TemporaryDirectory() as folder:
            text = Path(client.download_artifacts(str(champion.run_id), path, folder)).read_bytes()
        return Measurement.model_validate_json(text)
    except (FileNotFoundError, ValidationError) as error:
        seen = (
            f"champion version {champion.version} has no readable measurement ({' '.join(str(error).split())[:200]}); "
            f"roll it back, or delete the alias {CHAMPION} to start with the floor again"
        )
        return Check(name="champion's measurement", passed=False, seen=seen)


def _copy_checks(client: MlflowClient, version: ModelVersion, files: Mapping[str, str]) -> Iterable[Check]:
    """The registered copy is what was sealed, and works."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            copy = download(client, version, Path(folder))
        except DataError as error:
            yield Check(name="registered files", passed=False, seen=str(error))
            return
        same = files_check(copy, files)
        yield same
        tag, weights = version.tags.get(WEIGHTS, ""), weights_digest(folder_files(copy))
        seen = f"{weights[:12]} as tagged" if tag == weights else f"tag says {tag[:12] or 'nothing'}, is {weights[:12]}"
        yield Check(name="weights hash", passed=tag == weights, seen=seen)
        if same.passed:
            yield generates_check(copy)


def _moved(
    client: MlflowClient,
    version: ModelVersion,
    champion: ModelVersion | None,
    decision: Decision,
    measurement: Measurement,
    run_id: str,
) -> bool:
    """Whether the version became champion; False where the one it was compared with is champion no more."""
    name = version.name
    with promotion_lock(client, name, run_id) as still_ours:
        if number(by_alias(client, name, CHAMPION)) != number(champion):
            return False
        _record(client, version, decision, measurement, run_id)
        if not still_ours() or number(by_alias(client, name, CHAMPION)) != number(champion):
            return False
        if champion:
            client.set_registered_model_alias(name, PREVIOUS, champion.version)
        client.set_registered_model_alias(name, CHAMPION, version.version)
        return True


def _record(
    client: MlflowClient, version: ModelVersion, decision: Decision, measurement: Measurement, run_id: str
) -> None:
    """Measurement, reasons and tags: on the version and its run, and on the run that asks."""
    for run in dict.fromkeys((str(version.run_id), run_id)):
        client.log_text(run, measurement.model_dump_json(), f"{GATE}/measurement.json")
        client.log_text(run, decision.model_dump_json(indent=2), f"{GATE}/decision.json")
    for key, value in _tags(decision).items():
        client.set_model_version_tag(version.name, version.version, key, value)
    _tag_run(client, run_id, decision)


def _tag_run(client: MlflowClient, run_id: str, decision: Decision) -> None:
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in _tags(decision).items()])


def _tags(decision: Decision) -> dict[str, str]:
    """All of them, so that none of an earlier decision stays; a dash where there is nothing to say."""
    values = {key: getattr(decision, key) for key in TAGS}
    return {key: "-" if value is None else str(value) for key, value in values.items()}
