"""Selection from sealed trajectories, by every rule and in both readings [A 3.3]."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from vibethinker.algorithms.selection import SelectionRule
from vibethinker.errors import DataError
from vibethinker.runs.manifest import InputRef, Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import open_work
from vibethinker.stages.select import run

Rows = list[tuple[float, float, float | None]]
"""(Pass@1, Pass@4, held-out loss) at steps 0, 10, 20, ..."""
ALGEBRA: Rows = [(0.9, 0.9, 0.1), (0.2, 0.8, 1.0), (0.4, 0.7, 0.8), (0.3, 0.8, 0.9), (0.1, 0.6, 0.8)]
CODE: Rows = [(0.0, 0.0, 3.0), (0.5, 0.5, 2.0), (0.5, 0.6, 2.1), (0.4, 0.6, 2.2), (0.5, 0.6, 1.9)]


def spec(workspace: Path, name: str, settings: dict[str, Any], inputs: dict[str, InputRef]) -> StageSpec:
    return StageSpec(
        node=name,
        stage="select",
        version=1,
        fingerprint=name,
        settings=settings,
        inputs=inputs,
        folder=workspace / name,
        workspace=workspace,
    )


def expert(workspace: Path, name: str, **domains: Rows) -> InputRef:
    """A sealed expert with all of its checkpoints."""
    steps = range(0, 10 * len(next(iter(domains.values()))), 10)
    points = [
        {"step": s, "loss": 0.0, "probes": {d: probe(*rows[i]) for d, rows in domains.items()}}
        for i, s in enumerate(steps)
    ]
    with open_work(spec(workspace, name, {}, {})) as work:
        (work.out / "trajectory.json").write_bytes(orjson.dumps({"k": 4, "checkpoints": points}))
        for step in steps[1:]:
            folder = work.out / "checkpoints" / f"step-{step}"
            folder.mkdir(parents=True)
            (folder / "model.safetensors").write_text(f"{name} at {step}")
        return InputRef(fingerprint=name, digest=work.seal({}).digest, path=name)


def probe(pass_at_1: float, pass_at_k: float, loss: float | None) -> dict[str, Any]:
    return {"pass_at": {"1": pass_at_1, "2": pass_at_1, "4": pass_at_k}, "loss": loss}


def selected(workspace: Path, rule: str, sources: dict[str, str], inputs: dict[str, InputRef]) -> tuple[Any, Manifest]:
    folder = f"select-{rule}"
    manifest = run(spec(workspace, folder, {"rule": rule, "experts": sources}, inputs))
    return orjson.loads((workspace / folder / "selection.json").read_bytes()), manifest


@pytest.mark.parametrize(
    "rule, algebra, code",
    [("pass_at_k", 30, 20), ("pass_at_1", 20, 20), ("loss", 20, 40), ("last", 40, 40)],
)
@pytest.mark.parametrize("together", [False, True])
def test_every_rule_in_both_readings(
    tmp_path: Path, rule: SelectionRule, algebra: int, code: int, together: bool
) -> None:
    if together:
        inputs = {"expert-all": expert(tmp_path, "expert-all", algebra=ALGEBRA, code=CODE)}
        sources = dict.fromkeys(("algebra", "code"), "expert-all")
    else:
        inputs = {
            "expert-algebra": expert(tmp_path, "expert-algebra", algebra=ALGEBRA),
            "expert-code": expert(tmp_path, "expert-code", code=CODE),
        }
        sources = {"algebra": "expert-algebra", "code": "expert-code"}
    found, manifest = selected(tmp_path, rule, sources, inputs)
    assert (found["rule"], found["k"]) == (rule, 4)
    for domain, step, rows in (("algebra", algebra, ALGEBRA), ("code", code, CODE)):
        at_1, at_k, loss = rows[step // 10]
        told = {"step": step, "pass_at_1": at_1, "pass_at_k": at_k, "loss": loss}
        assert found["experts"][domain] == {"node": sources[domain], **told}
        assert {n: manifest.metrics[f"{domain}/{n}"] for n in told} == told
        weights = Path("model.safetensors")
        copy = tmp_path / f"select-{rule}/experts/{domain}" / weights
        assert copy.samefile(tmp_path / f"{sources[domain]}/checkpoints/step-{step}" / weights)


def test_the_lowest_loss_needs_losses(tmp_path: Path) -> None:
    bare: Rows = [(a, b, None) for a, b, _ in CODE]
    inputs = {"all": expert(tmp_path, "all", algebra=ALGEBRA, code=bare)}
    sources = {"algebra": "all", "code": "all"}
    with pytest.raises(DataError, match=r"selection.rule is loss.*domain code .*set selection.rule to pass_at_k"):
        selected(tmp_path, "loss", sources, inputs)
    found, manifest = selected(tmp_path, "pass_at_k", sources, inputs)
    assert found["experts"]["code"]["loss"] is None and "code/loss" not in manifest.metrics
