"""The loop: stopped, crashed and continued runs end in the same bits; steps that are not finite are refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vibethinker.errors import Preempted
from vibethinker.models.logprobs import check_head
from vibethinker.models.packed import check_packing
from vibethinker.records import Problem
from vibethinker.tracking.local import LocalTracker, read_events
from vibethinker.training.batching import Batch
from vibethinker.training.documents import tokenise
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.refused import NonFinite
from vibethinker.training.schedule import cosine
from vibethinker.training.sft import SftObjective

STEPS = 6
SETTINGS = LoopSettings(STEPS, cosine(1e-2, 1e-4, 0.2, STEPS), 0.01, 1.0, 2, "float32")


class Crash(Exception):
    pass


class Objective(SftObjective):
    """SFT that goes wrong at one step."""

    fails_at: int | None = None
    how = "crash"

    def batches(self, step: int) -> list[Batch]:
        self.step = step
        return super().batches(step)

    def loss(self, batch: Batch) -> Tensor:
        loss = super().loss(batch)
        if self.step != self.fails_at:
            return loss
        if self.how == "crash":
            raise Crash
        if self.how == "nan gradient":  # the value is finite, its gradient is not
            return loss + (self.model.get_input_embeddings().weight * 0).sqrt().sum()
        return loss * float(self.how)


class Runner:
    """Runs on a fresh copy of the warm model each time, as a new process would."""

    def __init__(self, model: Callable[[], Any], tokenizer: Any, problems: list[Problem], tracker: LocalTracker):
        self.fresh, self.tokenizer, self.tracker = model, tokenizer, tracker
        self.rows, _ = tokenise(problems, tokenizer, {}, "", 64)

    def objective(self, model: Any) -> Objective:
        return Objective(model, self.rows, 5, 100, seed=3)

    def __call__(
        self,
        scratch: Path,
        stop: Callable[[], bool] = lambda: False,
        fails_at: int | None = None,
        how: str = "crash",
        on_checkpoint: Callable[[int, float], dict[str, Any]] = lambda step, loss: {"step": step, "loss": loss},
    ) -> tuple[Any, list[dict[str, Any]]]:
        self.model = self.fresh()
        objective = self.objective(self.model)
        objective.fails_at, objective.how = fails_at, how
        history = train(
            self.model,
            objective,
            SETTINGS,
            scratch,
            self.tracker,
            stop,
            on_checkpoint,
            "sft",
        )
        return self.model.state_dict(), history


@pytest.fixture
def run(fresh: Callable[[], Any], tokenizer: Any, problems: list[Problem], tracker: LocalTracker) -> Runner:
    return Runner(fresh, tokenizer, problems, tracker)


def stop_after(steps: int) -> Callable[[], bool]:
    calls = iter(range(steps))
    return lambda: next(calls, None) is None


def identical(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(t, b[n]) for n, t in a.items())


@pytest.mark.parametrize("k", [0, 1, 2, 5])
def test_stopped_after_k_steps_and_continued_is_bit_identical(run: Runner, tmp_path: Path, k: int) -> None:
    expected, history = run(tmp_path / "whole")
    with pytest.raises(Preempted, match=f"stopped at step {k} of 6"):
        run(tmp_path / "parts", stop_after(k))
    assert (tmp_path / "parts" / f"checkpoint-{k}").is_dir()
    found, continued = run(tmp_path / "parts")
    assert identical(found, expected)
    assert continued == history
    assert [h["step"] for h in history] == [2, 4, 6]


def test_stopped_at_every_step_is_still_bit_identical(run: Runner, tmp_path: Path) -> None:
    expected, history = run(tmp_path / "whole")
    for _ in range(STEPS - 1):
        with pytest.raises(Preempted):
            run(tmp_path / "parts", stop_after(1))
        assert len(list((tmp_path / "parts").glob("checkpoint-*"))) == 1
    found, continued = run(tmp_path / "parts")
    assert identical(found, expected)
    assert continued == history


def test_crashed_and_continued_is_bit_identical(run: Runner, tmp_path: Path) -> None:
    expected, history = run(tmp_path / "whole")
    with pytest.raises(Crash):
        run(tmp_path / "parts", fails_at=3)
    assert (tmp_path / "parts" / "checkpoint-2").is_dir()
    (tmp_path / "parts" / "partial").mkdir()  # what a process killed while writing leaves
    (tmp_path / "parts" / "partial" / "weights.safetensors").write_bytes(b"half")
    found, continued = run(tmp_path / "parts")
    assert identical(found, expected)
    assert continued == history


@pytest.mark.parametrize("at", [2, 6])
def test_stopped_in_a_probe_it_repeats_the_probe_and_no_step(run: Runner, tmp_path: Path, at: int) -> None:
    expected, history = run(tmp_path / "whole")
    taken = len(list(read_events(tmp_path / "events.jsonl")))

    def stopped(step: int, loss: float) -> dict[str, Any]:
        if step == at:
            raise Preempted("stopped while it probed")
        return {"step": step, "loss": loss}

    with pytest.raises(Preempted, match="while it probed"):
        run(tmp_path / "parts", on_checkpoint=stopped)
    assert [p.name for p in (tmp_path / "parts").glob("checkpoint-*")] == [f"checkpoint-{at}"]
    found, continued = run(tmp_path / "parts")
    assert identical(found, expected)
    assert continued == history
    steps = [e["step"] for e in list(read_events(tmp_path / "events.jsonl"))[taken:] if e["kind"] == "metrics"]
    assert steps == list(range(1, STEPS + 1))


@pytest.mark.parametrize("k", [6, 3])
def test_the_mean_loss_since_the_checkpoint_before(run: Runner, tmp_path: Path, k: int) -> None:
    """Also where the run was stopped between two."""
    if k < STEPS:
        with pytest.raises(Preempted):
            run(tmp_path / "whole", stop_after(k))
    _, history = run(tmp_path / "whole")
    points = [e for e in read_events(tmp_path / "events.jsonl") if e["kind"] == "metrics"]
    losses = [p["values"]["loss"] for p in points]
    assert len(losses) == STEPS
    assert [h["loss"] for h in history] == [(a + b) / 2 for a, b in zip(losses[::2], losses[1::2], strict=True)]


def test_a_finished_run_does_nothing_more(run: Runner, tmp_path: Path) -> None:
    expected, history = run(tmp_path / "whole")
    found, again = run(tmp_path / "whole", fails_at=0)
    assert identical(found, expected)
    assert again == history


def test_training_changes_the_weights_and_lowers_the_loss(run: Runner, tmp_path: Path) -> None:
    _, history = run(tmp_path / "whole")
    assert not identical(run.model.state_dict(), run.fresh().state_dict())
    assert all(h["loss"] > 0 for h in history)


@pytest.mark.parametrize("how", ["nan", "inf", "nan gradient"])
def test_a_step_that_is_not_finite_is_refused(run: Runner, tmp_path: Path, how: str) -> None:
    expected, history = run(tmp_path / "whole")
    with pytest.raises(NonFinite, match=r"step 3: loss .*at fault is micro-batch 0 of \d .*refused-step-3"):
        run(tmp_path / "parts", fails_at=3, how=how)
    assert all(p.isfinite().all() for p in run.model.parameters())
    assert sorted(p.name for p in (tmp_path / "parts").iterdir()) == ["checkpoint-2", "refused-step-3"]
    found, continued = run(tmp_path / "parts")
    assert identical(found, expected)
    assert continued == history


def test_a_step_without_batches_changes_nothing(run: Runner, tmp_path: Path) -> None:
    """Not even by weight decay or momentum."""

    class Nothing(Objective):
        def batches(self, step: int) -> list[Batch]:
            return []

        def metrics(self) -> dict[str, float]:
            return {"reward": 0.0}

    model = run.fresh()
    objective = Nothing(model, run.rows, 5, 100, 3)
    train(model, objective, SETTINGS, tmp_path / "w", run.tracker, lambda: False, lambda step, loss: {}, "sft")
    assert identical(model.state_dict(), run.fresh().state_dict())


def test_events_have_the_curves_and_the_progress(run: Runner, tmp_path: Path) -> None:
    run(tmp_path / "whole")
    events = list(read_events(tmp_path / "events.jsonl"))
    points = [e for e in events if e["kind"] == "metrics"]
    assert [p["step"] for p in points] == [1, 2, 3, 4, 5, 6]
    assert points[2]["values"]["learning_rate"] == SETTINGS.schedule(2)
    first = points[0]["values"]
    assert {"loss", "grad_norm", "response_tokens"} <= first.keys()
    assert first["train_tokens_per_second"] > 0
    assert 0 < first["seconds_train"] < 60
    assert 0 <= first["seconds_reduce"] < 1
    assert 0 <= first["padding_share"] < 0.1
    assert 0.1 < first["memory_gb"] < 20
    assert [(e["done"], e["total"]) for e in events if e["kind"] == "progress"] == [(i, 6) for i in range(1, 7)]


def test_bfloat16_trains_float32_weights(run: Runner, tmp_path: Path) -> None:
    model = run.fresh()
    settings = LoopSettings(2, SETTINGS.schedule, 0.0, 1.0, 2, "bfloat16")
    history = train(
        model,
        run.objective(model),
        settings,
        tmp_path / "w",
        run.tracker,
        lambda: False,
        lambda s, x: {"loss": x},
        "sft",
    )
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    moments = torch.load(tmp_path / "w/checkpoint-2/optimiser.pt")["state"].values()
    assert {t.dtype for moment in moments for t in moment.values()} == {torch.float32}
    assert history[0]["loss"] > 0


def test_weights_in_bfloat16_are_not_trained(run: Runner, tmp_path: Path) -> None:
    model = run.fresh().bfloat16()
    with pytest.raises(AssertionError, match="master weights are float32"):
        train(model, run.objective(model), SETTINGS, tmp_path, run.tracker, lambda: False, lambda s, x: {}, "sft")


def test_layers_computed_again_train_the_same_weights(run: Runner, tmp_path: Path) -> None:
    weights, calls = [], []
    for on in (False, True):
        model, passes = run.fresh(), []
        model.model.layers[0].mlp.register_forward_pre_hook(lambda *_, passes=passes: passes.append(1))
        settings = replace(SETTINGS, gradient_checkpointing=on)
        folder = tmp_path / str(on)
        train(model, run.objective(model), settings, folder, run.tracker, lambda: False, lambda s, x: {}, "sft")
        weights.append(model.state_dict())
        calls.append(len(passes))
    model, passes = run.fresh(), []
    model.model.layers[0].mlp.register_forward_pre_hook(lambda *_: passes.append(1))
    check_head(model)
    check_packing(model)
    once = len(passes)  # before training
    assert calls[1] - once == 2 * (calls[0] - once)
    for name, weight in weights[1].items():
        torch.testing.assert_close(weight, weights[0][name], rtol=1e-4, atol=1e-6)
