"""A refused step says what was wrong and keeps the micro-batch at fault, so that it can be tried again."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import torch

from tests.unit.training.loop_lab import Lab, Objective, settings
from vibethinker.models.packed import packed_row
from vibethinker.tracking.local import LocalTracker
from vibethinker.training.batching import Batch
from vibethinker.training.loop import train
from vibethinker.training.refused import NonFinite, Share, at_fault, read_refused


def goes_wrong(step: int, index: int, factor: float) -> Callable[[Objective], None]:
    def change(objective: Objective) -> None:
        objective.wrong = (step, index, factor)

    return change


def test_what_is_kept_gives_the_loss_again(tmp_path: Path) -> None:
    lab = Lab()
    with pytest.raises(NonFinite, match=r"step 3: loss nan, gradient norm nan; at fault is micro-batch 1 of"):
        lab.train(tmp_path, change=goes_wrong(3, 1, math.nan))
    folder = tmp_path / "refused-step-3"
    model = lab.model()
    objective = lab.objective(model)
    batch = objective.batches(3)[1]
    kept = read_refused(folder)
    for field in dataclasses.fields(Batch):
        assert torch.equal(getattr(kept, field.name), getattr(batch, field.name)), field.name
    with packed_row(model, kept.documents.tolist()):
        assert objective.loss(kept).item() == objective.loss(batch).item()
        objective.wrong = (3, 1, math.nan)
        assert objective.loss(kept).isnan()
    about = orjson.loads((folder / "about.json").read_bytes())
    assert (about["step"], about["micro_batch"], about["loss"]) == (3, 1, "nan")
    assert about["micro_batches"] == len(objective.batches(3))


def test_only_the_latest_is_kept(tmp_path: Path) -> None:
    lab = Lab()
    for step in (3, 4, 4):
        with pytest.raises(NonFinite, match=f"step {step}"):
            lab.train(tmp_path, change=goes_wrong(step, 0, math.inf))
        assert [p.name for p in tmp_path.glob("refused-*")] == [f"refused-step-{step}"]


@pytest.mark.parametrize("rate", [math.inf, math.nan])
def test_an_update_that_spoils_the_weights_is_never_saved(tmp_path: Path, rate: float) -> None:
    lab = Lab()
    model = lab.model()
    usual = settings(6)
    spoiling = replace(usual, schedule=lambda step: rate if step == 3 else usual.schedule(step))
    with (
        LocalTracker(tmp_path / "events.jsonl") as tracker,
        pytest.raises(NonFinite, match="step 3: weights that are not finite after the update"),
    ):
        train(model, lab.objective(model), spoiling, tmp_path, tracker, lambda: False, lambda s, x: {"step": s}, "sft")
    assert not all(p.isfinite().all() for p in model.parameters())
    assert sorted(p.name for p in tmp_path.glob("*-*")) == ["checkpoint-2", "refused-step-3"]
    _, history = lab.train(tmp_path)
    assert [h["step"] for h in history] == [2, 4, 6]


def test_at_fault_is_the_first_that_is_not_finite_else_the_largest() -> None:
    fine, larger, nan = Share(0, 1.0, 2.0), Share(1, 0.5, 9.0), Share(2, math.nan, 1.0)
    steep = Share(3, 1.0, math.inf)
    assert at_fault([fine, larger, nan, steep]) == nan
    assert at_fault([fine, steep]) == steep
    assert at_fault([fine, larger]) == larger
