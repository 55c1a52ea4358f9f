"""Another seed of the same profile: compared with the champion on the same promotion set, and every reason recorded."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.conftest import MICRO
from vibethinker.config.load import load_profile
from vibethinker.runs.record import list_runs
from vibethinker.stages.recipe import fingerprints, recipe

NAME = "vibethinker-micro"


@pytest.fixture(scope="module")
def workspace(undisturbed: Path, vibethinker: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The champion's workspace, after a run with another seed."""
    copy = tmp_path_factory.mktemp("gate") / "workspace"
    shutil.copytree(undisturbed, copy)
    done = vibethinker("run", str(MICRO), "--set", "seed=18", "--workspace", str(copy))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return copy


def test_the_seed_changes_what_is_trained_but_not_what_is_measured() -> None:
    first, second = (fingerprints(recipe(load_profile(str(MICRO), [f"seed={s}"]))) for s in (17, 18))
    assert {n for n in first if first[n] == second[n]} == {"ingest", "decontaminate", "split"}


def test_refused_with_reasons_as_record_artifact_and_tags(workspace: Path) -> None:
    run = list_runs(workspace)[0]
    assert run.promotion is not None
    assert run.promotion["decision"] == "refused"  # two models that know nothing: no effect can be shown
    assert run.promotion["compared_with"] == "1" and "does not lie above" in run.promotion["reason"]
    assert [c["name"] for c in run.promotion["checks"] if not c["passed"]] == ["effect"]
    client = MlflowClient(f"sqlite:///{workspace / 'mlflow.db'}")
    assert str(client.get_model_version_by_alias(NAME, "champion").version) == "1"
    version = client.get_model_version(NAME, run.promotion["version"])
    assert version.tags["decision"] == "refused" and version.tags["reason"] == run.promotion["reason"]
    parent = client.get_run(str(run.mlflow_run))
    assert parent.data.tags["decision"] == "refused"
    text = Path(client.download_artifacts(parent.info.run_id, "gate/decision.json")).read_text()
    assert json.loads(text)["reason"] == run.promotion["reason"]


def test_nothing_to_roll_back_to_is_said(workspace: Path, vibethinker: Any) -> None:
    done = vibethinker("rollback", str(MICRO), "--reason", "a try", "--workspace", str(workspace))
    assert done.returncode == 1
    assert "previous_champion" in done.stderr and "Traceback" not in done.stderr
