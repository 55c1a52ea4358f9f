"""What a plan says before anything is spent."""

from pathlib import Path

import pytest

from vibethinker.budget.forecast import Plan
from vibethinker.config.load import load_profile
from vibethinker.runs.manifest import Cost, Manifest, seal
from vibethinker.stages.plan import make_plan
from vibethinker.stages.recipe import fingerprints, recipe

LAB = str(Path(__file__).parents[1] / "lab.yaml")


def test_an_empty_workspace_is_planned_from_the_profiles_estimates(tmp_path: Path) -> None:
    profile = load_profile("paper-1.5b")
    plan = make_plan(profile, tmp_path)
    assert isinstance(plan, Plan)
    rows = {n.node: n for n in plan.nodes}
    assert list(rows) == list(recipe(profile))
    assert rows["expert-algebra"].device_hours == profile.budget.estimates["expert"]
    assert rows["expert-algebra"].dollars == pytest.approx(profile.budget.estimates["expert"] * 2.0)
    assert not any(n.reusable for n in plan.nodes)
    assert list(tmp_path.iterdir()) == []  # planning writes nothing


def test_sealed_stages_cost_nothing(tmp_path: Path) -> None:
    profile = load_profile(LAB)
    nodes, prints = recipe(profile), fingerprints(recipe(profile))
    name = "ingest"
    folder = tmp_path / "stages" / f"{name}-{prints[name][:12]}"
    folder.mkdir(parents=True)
    seal(
        folder,
        Manifest(
            node=name, stage=nodes[name].stage, version=1, fingerprint=prints[name], settings={}, inputs={}, files={},
            metrics={}, cost=Cost(device_type="CPU core", devices=1, seconds=1, rate=1, attempts=1), versions={},
            attempt="attempts/1", created="2026-01-01T00:00:00+00:00",
        ),
    )  # fmt: skip
    rows = {n.node: n for n in make_plan(profile, tmp_path).nodes}
    assert rows["ingest"].reusable and rows["ingest"].dollars == 0.0
    assert not rows["split"].reusable
    other = load_profile(LAB, ["data.sources.lab-train.seed=2"])
    assert not {n.node: n for n in make_plan(other, tmp_path).nodes}["ingest"].reusable
