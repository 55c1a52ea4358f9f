"""The pinned environment starts a Prefect and an MLflow server, and a run uses the servers that the environment names."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient

from tests.orchestration.servers import addresses, mlflow_server, prefect_server, started
from vibethinker.config.load import load_profile
from vibethinker.stages.recipe import recipe

MICRO = Path(__file__).parents[1] / "micro.yaml"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    home = tmp_path_factory.mktemp("servers")
    prefect, mlflow = prefect_server(home), mlflow_server(home)
    with started(prefect, mlflow):
        yield addresses(prefect, mlflow)


def test_a_run_uses_the_servers(servers: dict[str, str], vibethinker: Any, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    done = vibethinker("run", str(MICRO), "--workspace", str(workspace), environment=servers)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert not (workspace / "mlflow.db").exists()
    record = json.loads(vibethinker("runs", "--json", "--workspace", str(workspace)).stdout)[0]
    nodes = set(recipe(load_profile(str(MICRO))))

    client = MlflowClient(servers["MLFLOW_TRACKING_URI"])
    parent = client.get_run(record["mlflow_run"])
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{record['mlflow_run']}'", max_results=100
    )
    assert {c.info.run_name for c in children} == nodes
    assert client.get_model_version_by_alias("vibethinker-micro", "champion").run_id == record["mlflow_run"]

    flows = httpx.post(f"{servers['PREFECT_API_URL']}/flow_runs/filter", json={}).json()
    assert [(f["name"], f["state_type"]) for f in flows] == [("micro", "COMPLETED")]
    tasks = httpx.post(f"{servers['PREFECT_API_URL']}/task_runs/filter", json={"limit": 100}).json()
    assert {t["state_type"] for t in tasks} == {"COMPLETED"}
    assert len(tasks) == len(nodes) + 2  # register and promote are no stages
    artifacts = httpx.post(f"{servers['PREFECT_API_URL']}/artifacts/filter", json={"limit": 100}).json()
    assert any(a["key"] == "micro-report" for a in artifacts)


@pytest.mark.slow  # tests/e2e/test_rounds.py has a trajectory in its student's round
def test_the_reports_literal_reading_selects_every_expert_from_one_trajectory(
    servers: dict[str, str], vibethinker: Any, tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    done = vibethinker(
        "run", str(MICRO), "--workspace", str(workspace), "--set", "sft.mode=trajectory", environment=servers
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    nodes = json.loads(vibethinker("runs", "--json", "--workspace", str(workspace)).stdout)[0]["nodes"]
    assert [n for n in nodes if n.startswith("expert")] == ["expert-all"]
    selection = json.loads((workspace / nodes["select"]["path"] / "selection.json").read_bytes())
    assert {d: e["node"] for d, e in selection["experts"].items()} == {"algebra": "expert-all", "code": "expert-all"}
