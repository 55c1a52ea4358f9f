"""MGPO on a real model, engine and grader: what it weighs, what it skips, and how it continues."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from torch import Tensor

from vibethinker.config.mgpo import MgpoSettings, MgpoStageSettings
from vibethinker.errors import Preempted
from vibethinker.models.checkpoint import eos_ids
from vibethinker.records import Problem, Verdict, VerdictStatus
from vibethinker.rollout.engine import Completion, OnDone, Prompt, Sampling
from vibethinker.rollout.prompts import encode_problems
from vibethinker.rollout.transformers_engine import TransformersEngine
from vibethinker.tracking.local import LocalTracker, read_events
from vibethinker.training.batching import Batch, TokenSequence, pad
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.mgpo import MgpoObjective, Rollout, Task, grade_groups, weigh
from vibethinker.training.schedule import constant
from vibethinker.verifiers.grader import Grader

STAGE = MgpoStageSettings(name="short", domains=("algebra",), max_response_tokens=12, steps=5)
MGPO = MgpoSettings(
    lambda_me=2.0, group_size=6, prompts_per_step=4, tokens_per_micro_batch=256, checkpoint_every=3, stages=(STAGE,)
)
LOOP = LoopSettings(5, constant(2e-3), 0.0, 1.0, 3, "float32")
ROOT_HALF = 0.5**0.5


def rollout(statuses: Sequence[VerdictStatus], lengths: Sequence[int] | None = None) -> Rollout:
    lengths = lengths or [3] * len(statuses)
    completions = [Completion((7,) * n, (-1.0,) * n, "stop") for n in lengths]
    return Rollout(completions, [Verdict(status=s) for s in statuses])


def test_weigh_by_hand() -> None:
    signal = weigh([rollout(["correct", "incorrect", "incorrect", "incorrect"])], MGPO, 0.0)
    w_me = torch.exp(-2 * (torch.tensor(0.25).xlogy(torch.tensor(0.5)) + torch.tensor(0.75).xlogy(torch.tensor(1.5))))
    assert signal.p_c.tolist() == [0.25]
    assert signal.w_me.tolist() == pytest.approx([w_me.item()])
    # sample deviation of (1, 0, 0, 0) is 1/2: A = 1.5, -0.5; the advantage is weighted, not the reward
    assert signal.advantages.tolist()[0] == pytest.approx([1.5 * w_me.item(), *[-0.5 * w_me.item()] * 3], rel=1e-5)


def test_unknown_verdicts_leave_the_group() -> None:
    signal = weigh([rollout(["correct", "incorrect", "unknown"]), rollout(["unknown"] * 3)], MGPO, 0.0)
    assert signal.p_c[0] == 0.5
    assert signal.p_c[1].isnan()
    assert signal.advantages.tolist() == [pytest.approx([ROOT_HALF, -ROOT_HALF, 0.0], rel=1e-4), [0.0] * 3]


@pytest.mark.parametrize("long2short", [0.2, 0.5])
def test_shaping_never_moves_p_c(long2short: float) -> None:
    rollouts = [
        rollout(["correct", "correct", "incorrect"], [3, 9, 5]),
        rollout(["correct"] * 3, [3, 9, 5]),
        rollout(["incorrect"] * 3, [3, 9, 5]),
        rollout(["correct"] * 3, [4, 4, 4]),
    ]
    plain, shaped = weigh(rollouts, MGPO, 0.0), weigh(rollouts, MGPO, long2short)
    assert torch.equal(plain.p_c, shaped.p_c)
    assert torch.equal(plain.w_me, shaped.w_me)
    assert shaped.advantages[0, 0] > shaped.advantages[0, 1]
    # a group solved by all still teaches which answers are short: p_c alone must not decide what is skipped
    assert not plain.advantages[1].any() and shaped.advantages[1].all()
    assert not shaped.advantages[2].any() and not shaped.advantages[3].any()


def test_lambda_zero_is_grpo() -> None:
    rollouts = [rollout(["correct", *["incorrect"] * 7]), rollout(["correct", "incorrect"] * 4)]
    signal = weigh(rollouts, MGPO.model_copy(update={"lambda_me": 0.0}), 0.0)
    assert signal.w_me.tolist() == [1.0, 1.0]


class Engines(TransformersEngine):
    """The real engine, counting, and refusing to work after `allowed` calls."""

    calls = 0
    allowed = 1000

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, on_done: OnDone | None = None
    ) -> list[list[Completion]]:
        if self.calls >= self.allowed:
            raise RuntimeError("asked to generate what was written already")
        self.calls += 1
        assert sampling.top_p == 1.0
        return super().generate(prompts, sampling, on_done)


class Crashing(MgpoObjective):
    """Dies in the update of one step, after its rollouts are written."""

    crash_at: int | None = None

    def batches(self, step: int) -> list[Batch]:
        found = super().batches(step)
        if step == self.crash_at:
            raise KeyboardInterrupt
        return found


class Lab:
    """Builds a stage anew, as a new process would."""

    def __init__(self, fresh: Callable[[], Any], tokenizer: Any, grader: Grader, tracker: LocalTracker) -> None:
        self.fresh, self.tokenizer, self.grader, self.tracker = fresh, tokenizer, grader, tracker
        self.problems: list[Problem] = []

    def objective(self, scratch: Path, settings: MgpoSettings = MGPO, stage: MgpoStageSettings = STAGE) -> Crashing:
        model = self.fresh()
        engine = Engines(model, eos_ids(model, self.tokenizer), self.tokenizer.pad_token_id)
        prompts = encode_problems(self.tokenizer, self.problems, {}, "")
        tasks = [Task(p, q) for p, q in zip(self.problems, prompts, strict=True)]
        arguments = (model, self.tokenizer, engine, self.grader, tasks, settings, stage, 5, scratch, self.tracker)
        return Crashing(*arguments)

    def train(
        self, objective: Crashing, scratch: Path, stop: Callable[[], bool] = lambda: False
    ) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
        def on_checkpoint(step: int, loss: float) -> dict[str, Any]:
            return {"step": step, "loss": loss, "reward": objective.metrics()["reward"]}

        history = train(objective.model, objective, LOOP, scratch, self.tracker, stop, on_checkpoint, "mgpo")
        return objective.model.state_dict(), history


@pytest.fixture
def lab(
    fresh: Callable[[], Any], tokenizer: Any, grader: Grader, tracker: LocalTracker, problems: list[Problem]
) -> Lab:
    lab = Lab(fresh, tokenizer, grader, tracker)
    lab.problems = problems
    return lab


def identical(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(t, b[n]) for n, t in a.items())


def stop_after(steps: int) -> Callable[[], bool]:
    calls = iter(range(steps))
    return lambda: next(calls, None) is None


@pytest.mark.parametrize("k", [0, 1, 3, 4])
def test_stopped_after_k_steps_and_continued_is_bit_identical(lab: Lab, tmp_path: Path, k: int) -> None:
    expected, history = lab.train(lab.objective(tmp_path / "a"), tmp_path / "a")
    assert not identical(expected, lab.fresh().state_dict())
    with pytest.raises(Preempted):
        lab.train(lab.objective(tmp_path / "b"), tmp_path / "b", stop_after(k))
    found, continued = lab.train(lab.objective(tmp_path / "b"), tmp_path / "b")
    assert identical(found, expected)
    assert continued == history
    assert 0 < history[0]["reward"] < 1


def test_rollouts_that_were_written_are_replayed_not_sampled_again(lab: Lab, tmp_path: Path) -> None:
    expected, history = lab.train(lab.objective(tmp_path / "a"), tmp_path / "a")
    objective = lab.objective(tmp_path / "b")
    objective.crash_at = 4
    with pytest.raises(KeyboardInterrupt):  # the checkpoint is of step 3, rollouts 3 and 4 are written
        lab.train(objective, tmp_path / "b")
    assert sorted(p.name for p in (tmp_path / "b" / "rollouts").iterdir()) == [f"step-{i}.json" for i in range(5)]
    again = lab.objective(tmp_path / "b")
    again.engine.allowed = 0  # type: ignore[attr-defined]
    found, continued = lab.train(again, tmp_path / "b")
    assert identical(found, expected)
    assert continued == history


def test_only_the_steps_that_are_missing_are_sampled(lab: Lab, tmp_path: Path) -> None:
    lab.train(lab.objective(tmp_path / "a"), tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "rollouts").rename(tmp_path / "b" / "rollouts")
    (tmp_path / "b" / "rollouts" / "step-4.json").unlink()
    objective = lab.objective(tmp_path / "b")
    lab.train(objective, tmp_path / "b")
    assert objective.engine.calls == 1  # type: ignore[attr-defined]


def gradients(model: Any, losses: Sequence[Tensor]) -> dict[str, Tensor]:
    model.zero_grad()
    for loss in losses:
        loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters()}


def all_rows(objective: MgpoObjective, step: int, scratch: Path) -> list[TokenSequence]:
    """Every sequence of the step, those without advantage too, from the written rollouts."""
    rows = orjson.loads((scratch / "rollouts" / f"step-{step}.json").read_bytes())
    rollouts = [
        Rollout(
            [Completion(tuple(c["token_ids"]), tuple(c["logps"]), c["finish_reason"]) for c in r["completions"]],
            [Verdict.model_validate(v) for v in r["verdicts"]],
        )
        for r in rows
    ]
    tasks = objective._tasks(step)
    signal = weigh(rollouts, objective.settings, objective.stage.long2short)
    return [
        TokenSequence(t.prompt.token_ids, c.token_ids, a, c.logps)
        for t, r, row in zip(tasks, rollouts, signal.advantages.tolist(), strict=True)
        for c, a in zip(r.completions, row, strict=True)
    ]


@pytest.mark.parametrize("long2short", [0.0, 0.2])
def test_skipping_rows_without_advantage_changes_no_gradient(lab: Lab, tmp_path: Path, long2short: float) -> None:
    stage = STAGE.model_copy(update={"long2short": long2short})
    # half of the problems can't be solved, so that some groups surely teach nothing
    lab.problems = [p.model_copy(update={"answer": "77777"}) if i % 2 else p for i, p in enumerate(lab.problems)]
    settings = MGPO.model_copy(update={"prompts_per_step": 8, "group_size": 4})
    objective = lab.objective(tmp_path, settings, stage)
    batches = objective.batches(0)
    rows = all_rows(objective, 0, tmp_path)
    used = sum(len(b.weights) for b in batches)
    assert 0 < used < len(rows) == 32
    assert used == sum(r.weight != 0 for r in rows)
    skipped = gradients(objective.model, [objective.loss(b) for b in batches])
    whole = pad(rows, lab.tokenizer.pad_token_id, "cpu")
    for name, gradient in gradients(objective.model, [objective.loss(whole)]).items():
        torch.testing.assert_close(skipped[name], gradient, rtol=1e-3, atol=1e-6, msg=name)
    assert any(g.abs().max() > 1e-3 for g in skipped.values())


def test_micro_batches_add_up_to_the_batch(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path)
    expected = gradients(objective.model, [objective.loss(b) for b in objective.batches(0)])
    for budget in (64, 100_000):
        again = lab.objective(tmp_path, MGPO.model_copy(update={"tokens_per_micro_batch": budget}))
        batches = again.batches(0)
        assert (len(batches) == 1) == (budget == 100_000)
        for name, gradient in gradients(again.model, [again.loss(b) for b in batches]).items():
            torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-6, msg=name)


def test_the_gradient_is_the_reports_formula(lab: Lab, tmp_path: Path) -> None:
    """On-policy: -1/(Q G) sum_i A'_i / |y_i| sum_t grad log pi, worked with plain logits."""
    objective = lab.objective(tmp_path)
    found = gradients(objective.model, [objective.loss(b) for b in objective.batches(0)])
    rows = all_rows(objective, 0, tmp_path)
    losses = []
    for row in rows:
        logits = objective.model(torch.tensor([row.prompt + row.response])).logits[0, len(row.prompt) - 1 : -1]
        logps = torch.log_softmax(logits, -1).gather(-1, torch.tensor(row.response)[:, None])
        losses.append(-row.weight * logps.mean() / len(rows))
    for name, gradient in gradients(objective.model, losses).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6, msg=name)


def test_a_batch_that_teaches_nothing_leaves_the_weights_alone(lab: Lab, tmp_path: Path) -> None:
    lab.problems = [p.model_copy(update={"answer": "77777"}) for p in lab.problems]
    found, history = lab.train(lab.objective(tmp_path / "w"), tmp_path / "w")
    assert identical(found, lab.fresh().state_dict())
    assert [h["reward"] for h in history] == [0.0, 0.0]
    points = [e["values"] for e in read_events(tmp_path / "events.jsonl") if e["kind"] == "metrics"]
    assert all(p["zero_advantage_share"] == 1.0 and "gap_mean" not in p for p in points)


def test_the_engine_agrees_with_the_trainer_at_every_step(lab: Lab, tmp_path: Path) -> None:
    """The engine generates from the weights of the last update."""
    lab.train(lab.objective(tmp_path / "w"), tmp_path / "w")
    events = list(read_events(tmp_path / "events.jsonl"))
    points = [e["values"] for e in events if e["kind"] == "metrics"]
    assert len(points) == 5
    assert all(p["gap_max"] < 1e-4 for p in points)
    assert all(p["entropy"] > 0 and 0 <= p["p_c_mean"] <= 1 and 0.25 <= p["w_mean"] <= 1 for p in points)
    for e in (e for e in events if e["kind"] == "histogram"):
        assert (e["edges"][0], e["edges"][-1], len(e["counts"])) == (0, 1, len(e["edges"]) - 1)
        assert sum(e["counts"]) == 4
    shown = [e for e in events if e["kind"] == "samples"]
    assert [e["step"] for e in shown] == [1, 4]
    assert shown[0]["rows"][0].keys() == {"question", "response", "status", "extracted"}


def test_reward_metrics_are_those_of_the_written_rollouts(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path)
    objective.batches(0)
    rows = orjson.loads((tmp_path / "rollouts" / "step-0.json").read_bytes())
    verdicts = [v["status"] for r in rows for v in r["verdicts"]]
    completions = [c for r in rows for c in r["completions"]]
    metrics = objective.metrics()
    assert metrics["reward"] == verdicts.count("correct") / 24
    assert metrics["p_c_mean"] == pytest.approx(metrics["reward"])
    assert metrics["truncated"] == sum(c["finish_reason"] == "length" for c in completions) / 24
    assert metrics["response_tokens"] == sum(len(c["token_ids"]) for c in completions) / 24
    assert all(len(c["token_ids"]) == len(c["logps"]) <= 12 for c in completions)


def test_verdicts_go_to_the_responses_they_belong_to(lab: Lab) -> None:
    tokenizer = lab.tokenizer
    tasks = [Task(p, Prompt(p.id, (1,))) for p in lab.problems[:3]]  # answers 3, 4, 1
    texts = [["\\boxed{3}", "\\boxed{4}"], ["\\boxed{3}", "\\boxed{4}"], ["1", "x \\boxed{1}"]]
    groups = [
        [Completion((*tokenizer(t)["input_ids"], tokenizer.eos_token_id), (), "stop") for t in group] for group in texts
    ]
    graded = grade_groups(lab.grader, tokenizer, tasks, groups)
    assert [[v.status == "correct" for v in r.verdicts] for r in graded] == [
        [True, False],
        [False, True],
        [False, True],
    ]
    assert [r.completions for r in graded] == groups


def test_a_step_of_unknown_verdicts_teaches_nothing_and_says_so(lab: Lab, tmp_path: Path) -> None:
    lab.objective(tmp_path).batches(0)
    path = tmp_path / "rollouts" / "step-0.json"
    rows = orjson.loads(path.read_bytes())
    for row in rows:
        row["verdicts"] = [{"status": "unknown", "reason": "the worker was lost"} for _ in row["verdicts"]]
    path.write_bytes(orjson.dumps(rows))
    objective = lab.objective(tmp_path)
    assert objective.batches(0) == []
    assert objective.metrics()["unknown"] == 1.0
    assert objective.metrics()["reward"] == 0.0


def test_every_problem_comes_once_before_any_comes_again(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path)
    first = [t.problem.id for step in range(3) for t in objective._tasks(step)]
    second = [t.problem.id for step in range(3, 6) for t in objective._tasks(step)]
    assert sorted(first) == sorted(second) == sorted(p.id for p in lab.problems)
    assert first != second


def test_a_step_holds_each_problem_once_however_few_there_are(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path)
    objective.tasks = objective.tasks[:3]  # fewer than prompts_per_step = 4
    for step in range(4):
        ids = [t.problem.id for t in objective._tasks(step)]
        assert len(ids) == len(set(ids)) == 3
