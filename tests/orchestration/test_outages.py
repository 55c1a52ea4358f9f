"""Servers that are killed for a minute in the middle of a stage cost no step and no record (promise 5)."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient

from tests.e2e.kills import start, wait_for
from tests.orchestration.servers import addresses, mlflow_server, prefect_server, started
from vibethinker.config.load import load_profile
from vibethinker.runs.record import RunStore, list_runs
from vibethinker.stages.recipe import recipe
from vibethinker.tracking.local import read_events

MICRO = Path(__file__).parents[1] / "micro.yaml"
AWAY = 60.0
"""Seconds."""


@pytest.mark.slow
def test_both_servers_away_for_a_minute(vibethinker: Any, tmp_path: Path) -> None:
    home, workspace = tmp_path / "servers", tmp_path / "workspace"
    home.mkdir()
    prefect, mlflow = prefect_server(home), mlflow_server(home)
    with started(prefect, mlflow):
        environment = {**vibethinker.environment, **addresses(prefect, mlflow)}
        process = start(workspace, environment)
        assert wait_for(workspace, process, {"expert-code"})
        time.sleep(3)
        prefect.kill()
        mlflow.kill()
        time.sleep(AWAY)
        assert process.poll() is None, process.communicate()[0][-3000:]
        prefect.start()
        mlflow.start()
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output[-4000:]
        (run,) = list_runs(workspace)
        assert run.status == "completed" and {s.status for s in run.nodes.values()} == {"sealed"}
        assert output.count("is away") <= 2 and "is back" in output and "did not reach" not in output
        assert_mlflow_has_it_all(mlflow.address, workspace, run.run)
        assert_prefect_has_it_all(f"{prefect.address}/api", len(run.nodes))


@pytest.mark.slow
def test_prefect_gone_for_good(vibethinker: Any, tmp_path: Path) -> None:
    home, workspace = tmp_path / "servers", tmp_path / "workspace"
    home.mkdir()
    prefect = prefect_server(home)
    with started(prefect):
        few = {"PREFECT_CLIENT_MAX_RETRIES": "2", "PREFECT_API_URL": f"{prefect.address}/api"}
        process = start(workspace, {**vibethinker.environment, **few})
        assert wait_for(workspace, process, {"expert-code"})
        prefect.kill()
        output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output[-4000:]
    (run,) = list_runs(workspace)
    assert run.status == "completed" and {s.status for s in run.nodes.values()} == {"sealed"}
    assert "Ctrl-C ends that" in output and "Prefect did not take the end of the run" in output
    assert "Traceback" not in output


def assert_mlflow_has_it_all(uri: str, workspace: Path, run: str) -> None:
    record, client = RunStore(workspace, run).read(), MlflowClient(uri)
    parent = client.get_run(str(record.mlflow_run))
    assert parent.info.status == "FINISHED"
    query = f"tags.`mlflow.parentRunId` = '{record.mlflow_run}'"
    children = {c.info.run_name: c for c in client.search_runs([parent.info.experiment_id], query, max_results=100)}
    assert set(children) == set(recipe(load_profile(str(MICRO))))
    assert {c.info.status for c in children.values()} == {"FINISHED"}
    for node, state in record.nodes.items():
        points = {
            (name, e["step"], value)
            for path in (workspace / state.path / "attempts").glob("*/events.jsonl")
            for e in read_events(path)
            if e["kind"] == "metrics"
            for name, value in e["values"].items()
        }
        names = {name for name, _, _ in points}
        seen = {(n, m.step, m.value) for n in names for m in client.get_metric_history(children[node].info.run_id, n)}
        assert seen == points, node
    assert client.get_model_version_by_alias("vibethinker-micro", "champion").run_id == record.mlflow_run


def assert_prefect_has_it_all(api: str, nodes: int) -> None:
    (flow,) = httpx.post(f"{api}/flow_runs/filter", json={}).json()
    assert flow["state_type"] == "COMPLETED"
    tasks = httpx.post(f"{api}/task_runs/filter", json={"limit": 200}).json()
    assert {t["name"]: t["state_type"] for t in tasks if t["state_type"] != "COMPLETED"} == {}
    assert len(tasks) == nodes + 2  # register and promote are no stages
    artifacts = {a["key"] for a in httpx.post(f"{api}/artifacts/filter", json={"limit": 200}).json()}
    keys = {"ingest", "split", "select", "benchmark-base", "report", "promotion", "mlflow"}
    assert {f"micro-{key}" for key in keys} <= artifacts
