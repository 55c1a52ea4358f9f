"""`vibethinker up`, driven as a person would: deployments, the form in a browser, a cancel, Ctrl-C, kills."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import MICRO, ROOT
from tests.e2e.kills import left, record
from tests.orchestration.browser import box, field, open_form, open_run, opened, read_artifact
from vibethinker.config.load import load_profile, profile_names
from vibethinker.runs.service import HOST, free_port

pytestmark = pytest.mark.slow
GRACE = 75.0
"""Seconds: the worker's grace, and something for a busy machine."""
WORKS = ("expert-algebra", "expert-code", "mgpo-mixed", "benchmark-base", "gate-mgpo-mixed")
"""Stages that take seconds."""


class Up:
    """`vibethinker up` in a session of its own, as a terminal would start it."""

    def __init__(self, vibethinker: Any, workspace: Path) -> None:
        self.workspace, self.vibethinker = workspace, vibethinker
        ports = {"--prefect-port": free_port(), "--mlflow-port": free_port()}
        self.prefect, self.mlflow = (f"http://{HOST}:{port}" for port in ports.values())
        self.log = workspace.parent / f"up-{ports['--prefect-port']}.log"
        # in the variable, so that all it starts, the worker's flows too, can be told from other processes
        environment = {**vibethinker.environment, "VIBETHINKER_WORKSPACE": str(workspace)}
        options = [word for name, port in ports.items() for word in (name, str(port))]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", "up", *options],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        until(lambda: "Up, until Ctrl-C" in self.said() or self.process.poll() is not None, 300, self.said)
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.log.read_text()

    def deploy(self) -> list[str]:
        """`vibethinker deploy` of the micro profile."""
        command = ("deploy", str(MICRO), "--workspace", str(self.workspace))
        done = self.vibethinker(*command, environment={"PREFECT_API_URL": f"{self.prefect}/api"})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.split()

    def ask(self, path: str, **body: Any) -> Any:
        """Prefect's API."""
        answer = httpx.post(f"{self.prefect}/api/{path}", json=body, timeout=30)
        return answer.raise_for_status().json()

    def deployments(self) -> dict[str, dict[str, Any]]:
        return {d["name"]: d for d in self.ask("deployments/filter", limit=200)}

    def flow_run(self, run: str) -> dict[str, Any]:
        (found,) = self.ask("flow_runs/filter", flow_runs={"id": {"any_": [run]}})
        return dict(found)

    def run_seed(self, seed: int) -> str:
        """Starts a run by the API, and gives its id once a stage of it is at work."""
        deployment = self.deployments()["micro"]
        profile = deployment["parameters"]["profile"] | {"seed": seed}
        known = record(self.workspace).get("run")
        run = self.ask(f"deployments/{deployment['id']}/create_flow_run", parameters={"profile": profile})["id"]
        until(lambda: record(self.workspace).get("run") != known and self.at_work(), 240, self.worker_said)
        time.sleep(2)
        return str(run)

    def at_work(self) -> list[str]:
        nodes = record(self.workspace)["nodes"]
        return [name for name in WORKS if name in nodes and nodes[name]["status"] == "running"]

    def worker_said(self) -> str:
        return (self.workspace / "services" / "worker.log").read_text()[-3000:]


def until(true: Callable[[], object], seconds: float, otherwise: Callable[[], object] = str) -> None:
    """Waits for it, and fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.3)


def assert_nothing_left(workspace: Path, seconds: float) -> None:
    until(lambda: not left(workspace), seconds, lambda: [(p.pid, p.cmdline()) for p in left(workspace)])


def unsealed(workspace: Path) -> set[str]:
    """Nodes of the newest run that have no seal."""
    nodes = record(workspace)["nodes"]
    return {name for name, node in nodes.items() if not (workspace / node["path"] / "manifest.json").exists()}


def lasting(deployment: dict[str, Any]) -> dict[str, Any]:
    """A deployment without what the server writes there by itself, and its schedules."""
    moments = {"updated", "status", "last_polled", "schedules"}
    kept = {k: v for k, v in deployment.items() if k not in moments}
    limit = {k: v for k, v in (kept["global_concurrency_limit"] or {}).items() if k != "updated"}
    return kept | {"global_concurrency_limit": limit, "pull_steps": kept["pull_steps"] or []}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "workspace"


@pytest.fixture(scope="module")
def start(vibethinker: Any, workspace: Path) -> Iterator[Callable[[], Up]]:
    """Starts `up`, always on the same workspace; what a test leaves behind is killed."""
    yield lambda: Up(vibethinker, workspace)
    for process in left(workspace):
        with suppress(psutil.Error):
            process.kill()


@pytest.fixture(scope="module")
def up(start: Callable[[], Up]) -> Up:
    """The stack that the tests share, up to the one that ends it."""
    started = start()
    started.deploy()
    return started


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with opened() as page:
        yield page


def test_every_profile_has_two_deployments(up: Up) -> None:
    profiles = [load_profile(name) for name in (*profile_names(), str(MICRO))]
    found = up.deployments()
    assert set(found) == {f"{p.name}{kind}" for p in profiles for kind in ("", "-retrain")}
    assert {d["entrypoint"] for d in found.values()} == {"flows.ssp.ssp"}
    for profile in profiles:
        reproduce, retrain = found[profile.name], found[f"{profile.name}-retrain"]
        for deployment in (reproduce, retrain):
            expected = {"profile": profile.model_dump(mode="json"), "workspace": str(up.workspace)}
            assert deployment["parameters"] == expected and up.workspace.is_absolute()
            assert deployment["enforce_parameter_schema"]
        assert reproduce["schedules"] == [] and reproduce["concurrency_limit"] is None
        assert [(s["active"], s["schedule"]["cron"]) for s in retrain["schedules"]] == [(False, "0 3 * * 1")]
        assert retrain["global_concurrency_limit"]["limit"] == 1
        assert retrain["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"


def test_deploying_again_changes_nothing_not_even_a_schedule_that_was_switched_on(up: Up) -> None:
    before = up.deployments()
    retrain = before["micro-retrain"]
    schedule = f"{up.prefect}/api/deployments/{retrain['id']}/schedules/{retrain['schedules'][0]['id']}"
    try:
        httpx.patch(schedule, json={"active": True}).raise_for_status()
        assert up.deploy() == ["ssp/micro", "ssp/micro-retrain"]
        after = up.deployments()
        assert [s["active"] for s in after["micro-retrain"]["schedules"]] == [True]
        assert {n: lasting(d) for n, d in after.items()} == {n: lasting(d) for n, d in before.items()}
        assert after["micro"]["schedules"] == []
    finally:
        httpx.patch(schedule, json={"active": False}).raise_for_status()


def test_the_form_is_prefilled_and_refuses_a_bad_value(up: Up, page: Page) -> None:
    open_form(page, up.prefect, "micro")
    assert field(page, "Name").input_value() == "micro"
    assert field(page, "Seed (Optional)").input_value() == str(load_profile(str(MICRO)).seed)
    assert field(page, "workspace (Optional)").input_value() == str(up.workspace)
    assert "Seed of data order, initial weights and sampling." in box(page, "Seed (Optional)").inner_text()
    field(page, "Seed (Optional)").fill("-1")
    page.get_by_role("button", name="Submit").click()
    message = "Validation failed for field 'profile.seed'. Failure reason: -1 is less than the minimum of 0"
    expect(page.get_by_text(message).first).to_be_visible()
    assert up.ask("flow_runs/filter") == [] and not (up.workspace / "runs").exists()


def test_a_run_from_the_form_can_be_watched_to_its_report_and_curves(up: Up, page: Page) -> None:
    open_form(page, up.prefect, "micro")
    field(page, "Seed (Optional)").fill("18")
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("View run").last.click()
    page.wait_for_url("**/runs/flow-run/*")
    flow_run = page.url.rpartition("/")[2]
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible(timeout=500_000)
    run = record(up.workspace)
    assert run["flow_run"] == flow_run and run["settings"]["seed"] == 18
    assert up.flow_run(flow_run)["name"] == "micro"
    assert_page_shows_the_run(up, page, flow_run, run)
    assert_curves(page, up.mlflow, run)


def assert_page_shows_the_run(up: Up, page: Page, flow_run: str, run: dict[str, Any]) -> None:
    open_run(page, up.prefect, flow_run)
    expect(page.get_by_text(f"{len(run['nodes']) + 2} Task runs").first).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()  # the task graph
    for node in ("ingest", "mgpo-mixed"):
        line = page.locator(".log-row").filter(has_text="sealed").filter(has_text=node)
        expect(line.first).to_be_visible()
    report = read_artifact(page, up.prefect, flow_run, "micro-report")
    assert run["run"] in report and "Pass@1" in report and "benchmark-mgpo-mixed" in report and "Promotion" in report
    table = read_artifact(page, up.prefect, flow_run, "micro-benchmark-mgpo-mixed")
    assert "figure" in table and "algebra/pass_at_1" in table
    assert "registered files" in read_artifact(page, up.prefect, flow_run, "micro-promotion")
    read_artifact(page, up.prefect, flow_run, "micro-mlflow")
    address = page.get_by_role("link", name="in MLflow").get_attribute("href")
    assert address is not None and address.endswith(run["mlflow_run"])
    page.goto(address)
    for text in (run["run"], "pass_at_1", "mgpo.lambda_me", "vibethinker-micro"):
        expect(page.get_by_text(text).first).to_be_visible()


def assert_curves(page: Page, mlflow: str, run: dict[str, Any]) -> None:
    """MLflow's page of the MGPO stage draws its reward over the steps."""
    children = {"filter": f"tags.`mlflow.parentRunId` = '{run['mlflow_run']}'", "experiment_ids": ["1"]}
    found = httpx.post(f"{mlflow}/api/2.0/mlflow/runs/search", json=children).json()["runs"]
    stages = {r["info"]["run_name"]: r["info"]["run_id"] for r in found}
    assert set(stages) == set(run["nodes"])
    page.goto(f"{mlflow}/#/experiments/1/runs/{stages['mgpo-mixed']}/model-metrics")
    page.get_by_placeholder("Search metric charts").fill("^(reward|w_mean|response_tokens)$")  # others are out of sight
    for name in ("reward", "w_mean", "response_tokens"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()


def test_a_cancel_in_the_page_checkpoints_and_leaves_nothing(up: Up, page: Page) -> None:
    flow_run = up.run_seed(19)
    open_run(page, up.prefect, flow_run)
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Confirm").click()
    until(lambda: up.flow_run(flow_run)["state_type"] == "CANCELLED", 60, lambda: up.flow_run(flow_run)["state"])
    expect(page.locator(".state--cancelled").first).to_be_visible(timeout=30_000)
    run = record(up.workspace)
    assert run["flow_run"] == flow_run and run["status"] == "preempted"
    assert {n for n, s in run["nodes"].items() if s["status"] == "failed"} <= unsealed(up.workspace)
    assert any(s["status"] == "failed" for s in run["nodes"].values())
    assert not [p for p in left(up.workspace) if "vibethinker.stages" in p.cmdline()]


def test_ctrl_c_lets_the_flow_checkpoint_and_leaves_nothing(up: Up) -> None:
    flow_run = up.run_seed(19)
    os.killpg(up.process.pid, signal.SIGINT)
    assert up.process.wait(GRACE + 30) == 0, up.said()
    assert "Stopping: a running flow writes a checkpoint first" in up.said()
    assert "Stopped; nothing is left running" in up.said()
    assert_nothing_left(up.workspace, 0)
    run = record(up.workspace)
    assert run["flow_run"] == flow_run and run["status"] == "preempted", up.worker_said()


def test_kill_9_leaves_nothing(start: Callable[[], Up]) -> None:
    up = start()
    up.run_seed(19)
    assert len(left(up.workspace)) > 5
    up.process.kill()
    up.process.wait()
    assert_nothing_left(up.workspace, GRACE)
    assert unsealed(up.workspace)


def test_a_server_that_dies_is_named_and_the_rest_stops(start: Callable[[], Up]) -> None:
    up = start()
    for process in left(up.workspace):
        words = process.cmdline()
        if "mlflow" in " ".join(words) and not any(w.endswith("supervisor.py") for w in words) and "up" not in words:
            with suppress(psutil.Error):
                process.kill()
    assert up.process.wait(60) == 1, up.said()
    assert "ServiceFailed: MLflow server ended with exit code 137" in up.said() and "mlflow.log" in up.said()
    assert "Traceback" not in up.said()
    assert_nothing_left(up.workspace, 0)


@pytest.mark.parametrize("option", ["--prefect-port", "--mlflow-port"])
def test_a_taken_port_is_named_before_anything_starts(option: str, vibethinker: Any, tmp_path: Path) -> None:
    ports = {"--prefect-port": free_port(), "--mlflow-port": free_port()}
    with socket.create_server((HOST, ports[option])):
        options = [word for name, port in ports.items() for word in (name, str(port))]
        done = vibethinker("up", "--workspace", str(tmp_path / "workspace"), *options)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{option} {ports[option]}: the port can't be used" in done.stderr
    assert f"or give another {option}" in done.stderr
    assert "starting" not in done.stdout and not (tmp_path / "workspace").exists()
