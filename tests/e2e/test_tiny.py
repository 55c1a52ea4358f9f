"""The README's main job, once for all tests of this file: `vibethinker run tiny`, then what a person does after it."""

import json
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from vibethinker.config.load import load_profile
from vibethinker.runs.manifest import Manifest, sealed, sha256_file
from vibethinker.stages.recipe import recipe

NODES = set(recipe(load_profile("tiny")))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def demo(vibethinker: Any, workspace: Path) -> subprocess.CompletedProcess[str]:
    done = vibethinker("run", "tiny", "--workspace", str(workspace))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def record(demo: Any, vibethinker: Any, workspace: Path) -> dict[str, Any]:
    runs = json.loads(vibethinker("runs", "--json", "--workspace", str(workspace)).stdout)
    return next(r for r in runs if r["nodes"]["base"]["status"] == "sealed")


def folder(workspace: Path, record: dict[str, Any], node: str) -> Path:
    return workspace / record["nodes"][node]["path"]


def test_every_node_of_the_recipe_is_sealed_with_files_as_hashed(workspace: Path, record: dict[str, Any]) -> None:
    assert set(record["nodes"]) == NODES
    assert record["status"] == "completed"
    for node in NODES:
        manifest = sealed(folder(workspace, record, node))
        assert manifest is not None and manifest.files, node
        for name, file in manifest.files.items():
            assert sha256_file(folder(workspace, record, node) / name) == file.sha256


def test_sets_are_disjoint_and_no_clean_row_was_dropped(workspace: Path, record: dict[str, Any]) -> None:
    counts = json.loads((folder(workspace, record, "decontaminate") / "counts.json").read_bytes())
    assert counts["dropped"] == 0 and counts["clean"] == counts["train"] > 0
    split = folder(workspace, record, "split")
    assert set(json.loads((split / "counts.json").read_bytes())["left_out"].values()) == {0}
    names = ("pretrain", "sft", "probe", "rl", "promotion", "benchmark")
    questions = {name: set(pd.read_parquet(split / f"{name}.parquet")["question"]) for name in names}
    assert all(questions.values())
    assert sum(len(q) for q in questions.values()) == len(set().union(*questions.values()))


def test_experts_were_selected_by_their_probes(workspace: Path, record: dict[str, Any]) -> None:
    selection = json.loads((folder(workspace, record, "select") / "selection.json").read_bytes())
    for domain, chosen in selection["experts"].items():
        trajectory = json.loads((folder(workspace, record, f"expert-{domain}") / "trajectory.json").read_bytes())
        reached = {c["step"]: c["probes"][domain]["pass_at"][str(trajectory["k"])] for c in trajectory["checkpoints"]}
        assert reached[chosen["step"]] == max(v for step, v in reached.items() if step > 0)


def test_training_taught_something(workspace: Path, record: dict[str, Any]) -> None:
    """Not a tuned number: each step of the recipe must leave the model far from where a random one is."""
    base, fused, final = (
        Manifest.read(folder(workspace, record, f"benchmark-{m}")).metrics["pass_at_1"]
        for m in ("base", "fused", "mgpo-code")
    )
    assert base > 0.1 and fused > 0.1 and final > fused + 0.05


def test_mlflow_holds_parent_children_curves_and_the_registered_champion(
    workspace: Path, record: dict[str, Any]
) -> None:
    client = MlflowClient(f"sqlite:///{workspace / 'mlflow.db'}")
    parent = client.get_run(record["mlflow_run"])
    assert parent.info.status == "FINISHED"
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{record['mlflow_run']}'", max_results=100
    )
    by_name = {run.info.run_name: run for run in children}
    assert set(by_name) == NODES
    steps = [m.step for m in client.get_metric_history(by_name["mgpo-maths-short"].info.run_id, "reward")]
    assert steps == list(range(1, load_profile("tiny").mgpo.stages[0].steps + 1))
    assert by_name["mgpo-maths-short"].data.params["mgpo.lambda_me"] == "2.0"
    assert {i.dataset.name for i in by_name["fuse"].inputs.dataset_inputs} == {"experts"}
    assert {a.path for a in client.list_artifacts(parent.info.run_id, "report")} >= {"report/report.html"}
    champion = client.get_model_version_by_alias("vibethinker-tiny", "champion")
    weights = sha256_file(folder(workspace, record, "mgpo-code") / "model" / "model.safetensors")
    assert champion.tags["weights_sha256"] == weights
    assert record["promotion"]["decision"] == "promoted"


def test_ledger_covers_every_stage_at_the_profiles_rate(workspace: Path, record: dict[str, Any]) -> None:
    rows = pd.read_sql("select * from leases", sqlite3.connect(workspace / "ledger.sqlite"))
    mine = rows[rows["run"] == record["run"]]
    assert set(mine["node"]) == NODES and mine["settled_at"].notna().all()
    dollars = (mine["seconds"] * mine["devices"] / 3600 * 0.05).sum()
    assert dollars == pytest.approx(sum(n["dollars"] for n in record["nodes"].values()), rel=0.01)


def test_report_names_both_hypotheses_and_shows_plots(demo: Any, workspace: Path, record: dict[str, Any]) -> None:
    report = json.loads((workspace / "runs" / record["run"] / "report.json").read_bytes())
    assert len(report["hypotheses"]) == 2
    assert {h["verdict"] for h in report["hypotheses"]} <= {"shown", "not shown", "opposite shown"}
    page = (workspace / "runs" / record["run"] / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 6
    assert "Pass@1" in demo.stdout and "promot" in demo.stdout


def test_the_same_command_reuses_every_seal_within_half_a_minute(demo: Any, vibethinker: Any, workspace: Path) -> None:
    started = time.monotonic()
    done = vibethinker("run", "tiny", "--workspace", str(workspace))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("reused") >= len(NODES)
    assert time.monotonic() - started < 60  # 30 s on an idle machine; the promise is about work, not about load


def test_a_setting_of_one_stage_runs_that_stage_and_what_follows(demo: Any, vibethinker: Any, workspace: Path) -> None:
    done = vibethinker("run", "tiny", "--workspace", str(workspace), "--set", "mgpo.stages.code.steps=1")
    assert done.returncode == 0, done.stderr
    newest = json.loads(vibethinker("runs", "--json", "--workspace", str(workspace)).stdout)[0]
    ran = {node for node, state in newest["nodes"].items() if state["status"] == "sealed"}
    assert ran == {"mgpo-code", "benchmark-mgpo-code", "gate-mgpo-code"}
    assert newest["promotion"]["decision"] in ("promoted", "refused")
    assert newest["promotion"]["effect"] is not None


def test_report_and_plan_afterwards(demo: Any, vibethinker: Any, workspace: Path, record: dict[str, Any]) -> None:
    shown = vibethinker("report", record["run"], "--workspace", str(workspace))
    assert shown.returncode == 0 and "Pass@1" in shown.stdout
    plan = json.loads(vibethinker("plan", "tiny", "--workspace", str(workspace), "--json").stdout)
    assert all(n["reusable"] for n in plan["nodes"]) and plan["dollars"] == 0
