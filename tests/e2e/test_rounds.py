"""The second report's rounds, end to end: a hard subset, a student of the RL checkpoints; with adapters, packs and searched weights."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from vibethinker.config.load import load_profile
from vibethinker.runs.manifest import Manifest, sealed
from vibethinker.stages.recipe import recipe

PROFILE = "tests/micro-rounds.yaml"
NODES = recipe(load_profile(PROFILE))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def ran(vibethinker: Any, workspace: Path) -> subprocess.CompletedProcess[str]:
    done = vibethinker("run", PROFILE, "--workspace", str(workspace))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def folders(ran: Any, vibethinker: Any, workspace: Path) -> dict[str, Path]:
    (run,) = json.loads(vibethinker("runs", "--json", "--workspace", str(workspace)).stdout)
    return {name: workspace / node["path"] for name, node in run["nodes"].items()}


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_every_node_is_sealed(folders: dict[str, Path]) -> None:
    assert set(folders) == set(NODES)
    assert all(sealed(folder) for folder in folders.values())


def test_an_expert_goes_on_from_its_own_last_checkpoint(folders: dict[str, Path]) -> None:
    first, hard = (read(folders[f"{r}expert-algebra"] / "trajectory.json")["checkpoints"] for r in ("", "hard-"))
    assert hard[0]["probes"]["algebra"]["loss"] == pytest.approx(first[-1]["probes"]["algebra"]["loss"], rel=1e-4)
    last = folders["expert-algebra"] / "final" / "model.safetensors"
    step = folders["expert-algebra"] / "checkpoints" / f"step-{first[-1]['step']}" / "model.safetensors"
    assert not step.exists() or os.path.samefile(last, step)


def test_the_selected_checkpoint_has_the_lowest_held_out_loss(folders: dict[str, Path]) -> None:
    selection = read(folders["select"] / "selection.json")
    for domain, chosen in selection["experts"].items():
        points = read(folders[chosen["node"]] / "trajectory.json")["checkpoints"][1:]
        assert chosen["loss"] == min(p["probes"][domain]["loss"] for p in points)


def test_the_second_round_learns_from_hard_problems_alone(folders: dict[str, Path]) -> None:
    rows = pd.read_parquet(folders["hard-traces"] / "difficulty.parquet").set_index("problem_id")
    kept = set(pd.read_parquet(folders["hard-traces"] / "sft.parquet")["id"])
    assert kept == set(rows.index[rows["kept"]]) != set(rows.index)
    assert (rows.loc[list(kept), "correct"] == 0).all()


def test_one_expert_has_one_weighting_and_it_is_measured_on_problems_held_out(folders: dict[str, Path]) -> None:
    """Several candidates: tests/unit/stages/test_fuse_stage.py."""
    fusion = read(folders["fuse"] / "fusion.json")
    assert fusion["weights"] == {"algebra": 1.0}
    (only,) = fusion["search"]["candidates"]
    assert only["weights"] == fusion["weights"]
    assert set(fusion["search"]["held_out"]) == {"problems", "uniform", "chosen", "difference"}


def test_the_student_learnt_from_the_rl_checkpoints_verified_traces(folders: dict[str, Path]) -> None:
    traces = pd.read_parquet(folders["student-traces"] / "traces.parquet")
    kept = traces[traces["kept"]]
    assert set(traces["teacher"]) == {"mgpo-mixed"}
    assert (kept["status"] == "correct").all() and (kept["finish_reason"] == "stop").all()
    assert kept["potential"].notna().all()
    assert Manifest.read(folders["student-expert-all"]).metrics["rows"] == len(kept) > 0


def test_the_report_shows_the_rounds(ran: Any, workspace: Path) -> None:
    (page,) = workspace.glob("runs/*/report.html")
    text = page.read_text()
    assert "hard-fused" in text and "student" in text
    assert list(page.parent.glob("plots/*.png"))
