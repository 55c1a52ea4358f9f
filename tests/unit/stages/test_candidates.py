"""Checkpoints on the disk: every rule's winner is there at the end, and never more than could win."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.algorithms.selection import RULES, select_checkpoint
from vibethinker.stages.candidates import hand_out, keep_leaders
from vibethinker.stages.trajectory import Checkpoint, probe_points

RATES = st.sampled_from([0.0, 0.5, 1.0])


@st.composite
def checkpoints(draw: st.DrawFn) -> list[Checkpoint]:
    domains = ["algebra", "code"][: draw(st.integers(1, 2))]

    def probe() -> dict[str, Any]:
        return {"pass_at": {"1": draw(RATES), "4": draw(RATES)}, "loss": draw(RATES)}

    return [{"step": 5 * (i + 1), "probes": {d: probe() for d in domains}} for i in range(draw(st.integers(1, 6)))]


def add(folder: Path, point: Checkpoint) -> set[int]:
    """Steps that are there now."""

    def save(target: Path) -> None:
        target.mkdir()
        (target / "model.safetensors").write_text(f"weights of {point['step']}")

    keep_leaders(folder, point, 4, save)
    assert not folder.with_name("candidate-partial").exists()
    return {int(p.name.removeprefix("step-")) for p in folder.iterdir()}


@settings(max_examples=15, deadline=None)
@given(checkpoints(), st.data())
def test_winners_are_there_at_the_end(points: list[Checkpoint], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place) / "work" / "candidates", Path(place) / "out"
        folder.parent.mkdir()
        domains = list(points[0]["probes"])
        for point in points:
            kept = add(folder, point)
            if data.draw(st.booleans(), "killed before the loop's checkpoint"):
                assert add(folder, point) == kept
            assert len(kept) <= (len(RULES) - 1) * len(domains) + 1
        last = points[-1]["step"]
        hand_out(folder, out / "checkpoints", out / "final", last)
        for domain in domains:
            for rule in RULES:
                step = select_checkpoint(probe_points(points, domain, 4), rule).step
                assert (out / f"checkpoints/step-{step}/model.safetensors").read_text() == f"weights of {step}"
        final = out / "final" / "model.safetensors"
        assert final.samefile(out / f"checkpoints/step-{last}/model.safetensors")
        assert not list(out.rglob("probe.json"))


def test_a_kill_while_weights_are_written_leaves_the_leaders(tmp_path: Path) -> None:
    folder = tmp_path / "candidates"
    probe = {"pass_at": {"1": 0.5, "4": 0.5}, "loss": 1.0}
    add(folder, {"step": 5, "probes": {"algebra": probe}})

    def killed(target: Path) -> None:
        target.mkdir()
        (target / "model.safetensors").write_text("half")
        raise KeyboardInterrupt

    better = {"step": 10, "probes": {"algebra": {"pass_at": {"1": 1.0, "4": 1.0}, "loss": 0.5}}}
    with pytest.raises(KeyboardInterrupt):
        keep_leaders(folder, better, 4, killed)
    assert [p.name for p in folder.iterdir()] == ["step-5"]
    assert add(folder, better) == {10}
