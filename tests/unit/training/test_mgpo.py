"""MGPO on a real model, engine and graders: what it skips, what it adds up to, and how it continues."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.unit.training.mgpo_lab import MGPO, STAGE, Lab, stop_after
from vibethinker.algorithms.surrogate import aggregate, clipped_surrogate, kl_penalty
from vibethinker.errors import ConfigError, Preempted
from vibethinker.models.logprobs import token_logprobs
from vibethinker.records import Verdict
from vibethinker.tracking.local import read_events
from vibethinker.training import batching
from vibethinker.training.batching import TokenSequence, pad
from vibethinker.training.mgpo import GapExceeded, MgpoObjective
from vibethinker.training.parallel import World
from vibethinker.training.rollout_files import read_rollouts, write_rollouts
from vibethinker.training.signal import Rollout, weigh


def identical(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(t, b[n]) for n, t in a.items())


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
    # rollouts from before the checkpoint are never read again
    assert sorted(p.name for p in (tmp_path / "b" / "rollouts").iterdir()) == ["step-3.parquet", "step-4.parquet"]
    again = lab.objective(tmp_path / "b")
    again.sampler.engine.allowed = 0  # type: ignore[attr-defined]
    found, continued = lab.train(again, tmp_path / "b")
    assert identical(found, expected)
    assert continued == history


def gradients(model: Any, losses: Sequence[Tensor]) -> dict[str, Tensor]:
    model.zero_grad()
    for loss in losses:
        loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters()}


def written(objective: MgpoObjective, step: int) -> list[Rollout]:
    return read_rollouts(objective.sampler.folder / f"step-{step}.parquet", objective.sampler._by_id)[0]


def all_rows(objective: MgpoObjective, step: int) -> list[TokenSequence]:
    """Every sequence of the step, those without advantage too, from the written rollouts."""
    rollouts = written(objective, step)
    signal = weigh(rollouts, objective.settings, objective.stage.long2short)
    return [
        TokenSequence(r.task.prompt.token_ids, c.token_ids, a, c.logps)
        for r, row in zip(rollouts, signal.advantages.tolist(), strict=True)
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
    rows = all_rows(objective, 0)
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
        assert (len(batches) > 4) == (budget == 64)
        for name, gradient in gradients(again.model, [again.loss(b) for b in batches]).items():
            torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-6, msg=name)


def test_the_gradient_is_the_reports_formula(lab: Lab, tmp_path: Path) -> None:
    """On-policy: -1/(Q G) sum_i A'_i / |y_i| sum_t grad log pi, worked with plain logits."""
    objective = lab.objective(tmp_path)
    found = gradients(objective.model, [objective.loss(b) for b in objective.batches(0)])
    rows = all_rows(objective, 0)
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
        end, count = {"p_c": (1, 4), "response_tokens": (13, 24)}[e["name"]]
        assert (e["edges"][0], e["edges"][-1], len(e["counts"])) == (0, end, len(e["edges"]) - 1)
        assert sum(e["counts"]) == count
    shown = [e for e in events if e["kind"] == "samples"]
    assert [e["step"] for e in shown] == [1, 4]
    told = {"question", "response", "status", "extracted", "tokens", "finish_reason", "advantage"}
    assert shown[0]["rows"][0].keys() == told
    assert [i for i, p in enumerate(points) if "kl_start" in p] == [2]  # at the checkpoint
    assert points[2]["kl_start"] > 0
    assert "clip_share" not in points[0]  # nothing can be clipped
    parts = {"seconds_sync", "seconds_rollout", "seconds_reward", "seconds_train", "tokens_per_second"}
    assert all(parts <= p.keys() for p in points)


def test_reward_metrics_are_those_of_the_written_rollouts(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path)
    objective.batches(0)
    rollouts = written(objective, 0)
    verdicts = [v.status for r in rollouts for v in r.verdicts]
    completions = [c for r in rollouts for c in r.completions]
    metrics = objective.metrics()
    assert metrics["reward"] == pytest.approx(verdicts.count("correct") / 24)
    assert metrics["p_c_mean"] == pytest.approx(metrics["reward"])
    assert metrics["truncated"] == sum(c.finish_reason == "length" for c in completions) / 24
    assert metrics["response_tokens"] == pytest.approx(sum(len(c.token_ids) for c in completions) / 24)
    assert metrics["response_tokens_max"] == max(len(c.token_ids) for c in completions)
    assert all(len(c.token_ids) == len(c.logps) <= 12 for c in completions)


def test_verdicts_go_to_the_responses_they_belong_to(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path)
    rollouts = objective.sampler.batch(0).asked
    for rollout in rollouts:
        texts = lab.tokenizer.batch_decode([list(c.token_ids) for c in rollout.completions], skip_special_tokens=True)
        boxed = [f"\\boxed{{{rollout.task.problem.answer}}}" in text for text in texts]
        assert [v.status == "correct" for v in rollout.verdicts] == boxed
    assert 0 < sum(v.status == "correct" for r in rollouts for v in r.verdicts) < 24


def test_a_step_of_unknown_verdicts_teaches_nothing_and_says_so(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path)
    lost = Verdict(status="unknown", reason="the worker was lost")
    rollouts = [Rollout(r.task, r.completions, (lost,) * 6) for r in objective.sampler.batch(0).asked]
    write_rollouts(tmp_path / "rollouts" / "step-0.parquet", [rollouts])
    assert objective.batches(0) == []
    assert objective.metrics()["unknown"] == 1.0
    assert objective.metrics()["reward"] == 0.0


def test_rollouts_are_read_back_bit_for_bit(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path)
    assert objective.sampler.batch(0).asked == lab.objective(tmp_path).sampler.batch(0).asked


def settings_with(**changes: object) -> Any:
    return MGPO.model_validate({**MGPO.model_dump(), **changes})


def test_groups_without_advantage_are_refilled_up_to_the_bound(lab: Lab, tmp_path: Path) -> None:
    # a third of the problems can't be solved
    lab.problems = [p.model_copy(update={"answer": "77777"}) if i % 3 == 0 else p for i, p in enumerate(lab.problems)]
    plain = lab.objective(tmp_path / "a", settings_with()).sampler.batch(0)
    once = lab.objective(tmp_path / "b", settings_with(refills=1)).sampler.batch(0)
    often = lab.objective(tmp_path / "c", settings_with(refills=4))
    found = often.sampler.batch(0)

    def teaching(rollouts: Sequence[Rollout]) -> int:
        return int(weigh(rollouts, MGPO, 0.0).advantages.any(-1).sum())

    assert plain.refilled == 0 and plain.learned == plain.asked == once.asked == found.asked
    assert teaching(plain.learned) <= teaching(once.learned) <= teaching(found.learned)
    assert teaching(found.learned) > teaching(plain.learned)
    assert found.refilled == teaching(found.learned) - teaching(plain.learned)
    assert len({r.task.problem.id for r in found.learned}) == len(found.learned) == 4
    assert lab.objective(tmp_path / "c", settings_with(refills=4)).sampler.batch(0).learned == found.learned
    often.batches(0)
    assert often.metrics()["refilled"] == found.refilled / 4
    assert often.metrics()["zero_advantage_share"] == 1 - teaching(plain.asked) / 4
    # every sample counts for the history, those of groups that were not used too
    assert len(often.sampler.history.rates(before=2)) > 4


def test_two_minibatches_learn_from_one_rollout_batch(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path, settings_with(minibatches=2))
    first = objective.batches(0)
    rows = [r.weight for r in all_rows(objective, 0) if r.weight]
    assert "reward" in objective.metrics()
    second = objective.batches(1)
    assert "reward" not in objective.metrics()  # told once a rollout batch
    assert objective.sampler.engine.calls == 1  # type: ignore[attr-defined]
    assert sorted(w for b in [*first, *second] for w in b.weights.tolist()) == pytest.approx(sorted(rows))
    # before the first update the ratio is exactly 1, in the very batches that will be learned from
    for batch in [*first, *second]:
        logps, _ = token_logprobs(objective.model, batch.input_ids, batch.response_mask)
        assert torch.equal(logps.detach()[batch.response_mask], batch.old_logps[batch.response_mask])


def test_the_second_minibatch_is_the_reports_clipped_objective(lab: Lab, tmp_path: Path) -> None:
    settings = settings_with(minibatches=2, clip_low=0.01, clip_high=0.02, kl=0.1)
    objective = lab.objective(tmp_path, settings)
    before = lab.fresh()
    optimiser = torch.optim.SGD(objective.model.parameters(), lr=0.5)
    for batch in objective.batches(0):
        objective.loss(batch).backward()
    optimiser.step()
    found = gradients(objective.model, [objective.loss(b) for b in objective.batches(1)])
    metrics = objective.metrics()
    assert 0 < metrics["clip_share"] < 1 and metrics["ratio_max"] > 1.02
    rollouts = written(objective, 0)
    signal = weigh(rollouts, settings, 0.0)
    losses = []
    for q in (1, 3):
        for completion, advantage in zip(rollouts[q].completions, signal.advantages[q], strict=True):
            batch = pad([TokenSequence(rollouts[q].task.prompt.token_ids, completion.token_ids)], 0, "cpu")
            logps, _ = token_logprobs(objective.model, batch.input_ids, batch.response_mask)
            with torch.no_grad():
                old, _ = token_logprobs(before, batch.input_ids, batch.response_mask)
            value, _ = clipped_surrogate(logps, old, advantage.view(1), 0.01, 0.02)
            value = value - 0.1 * kl_penalty(logps, old, old)
            losses.append(-aggregate(value, batch.response_mask, "sequence", 12, 0, 0))
    for name, gradient in gradients(objective.model, losses).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.parametrize("k", [0, 1, 3, 6, 7])
def test_minibatches_continue_in_the_middle_of_a_batch(lab: Lab, tmp_path: Path, k: int) -> None:
    settings = settings_with(minibatches=2, checkpoint_every=2, refills=1, prefer_uncertain=1.0)
    expected, history = lab.train(lab.objective(tmp_path / "a", settings), tmp_path / "a")
    with pytest.raises(Preempted):
        lab.train(lab.objective(tmp_path / "b", settings), tmp_path / "b", stop_after(k))
    found, continued = lab.train(lab.objective(tmp_path / "b", settings), tmp_path / "b")
    assert identical(found, expected)
    assert continued == history


def test_a_kl_term_needs_the_rows_without_advantage(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path, settings_with(kl=0.1))
    assert sum(len(b.weights) for b in objective.batches(0)) == 24


@pytest.mark.parametrize("overlong", ["graded", "zero", "masked"])
def test_masked_responses_are_left_out(lab: Lab, tmp_path: Path, overlong: str) -> None:
    stage = STAGE.model_copy(update={"max_response_tokens": 5})
    objective = lab.objective(tmp_path, settings_with(overlong=overlong, kl=0.1), stage)
    batches = objective.batches(0)
    truncated = round(objective.metrics()["truncated"] * 24)
    assert 0 < truncated < 24
    assert sum(len(b.weights) for b in batches) == (24 - truncated if overlong == "masked" else 24)


def test_an_engine_with_other_weights_stops_the_run(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path, settings_with(max_gap=0.05))
    with torch.no_grad():
        batches = objective.batches(0)
        for parameter in objective.model.parameters():
            parameter.mul_(1.5)
    with pytest.raises(GapExceeded, match=r"rollout batch 1: .*mgpo.max_gap = 0.05"):
        objective.loss(batches[0])


def test_importance_correction_scales_a_token_by_what_engine_and_trainer_differ(lab: Lab, tmp_path: Path) -> None:
    plain = lab.objective(tmp_path, settings_with(max_gap=10.0))
    corrected = lab.objective(tmp_path, settings_with(max_gap=10.0, importance_cap=1.5))
    batch = plain.batches(0)[0]
    corrected.batches(0)
    shift = torch.where(
        torch.arange(batch.input_ids.shape[1]) % 2 == 0, -1.0, 0.1
    )  # exp(1) is capped, exp(-0.1) is not
    logps, _ = token_logprobs(plain.model, batch.input_ids, batch.response_mask)
    type(batch.engine_logps).copy_(batch.engine_logps, logps.detach() + shift)
    factors = torch.where(shift < 0, 1.5, float(torch.tensor(-0.1).exp()))
    value, _ = clipped_surrogate(logps, logps.detach(), batch.weights, 0.2, 0.2)
    expected = -aggregate(value * factors, batch.response_mask, "sequence", 24, 0, 0)
    assert corrected.loss(batch).item() == pytest.approx(expected.item(), rel=1e-5)
    assert plain.loss(batch).item() != pytest.approx(expected.item(), rel=1e-2)


def test_importance_correction_is_of_the_weights_that_sampled(lab: Lab, tmp_path: Path) -> None:
    """In a second update too: what engine and trainer differed by does not change with the policy."""
    settings = {"max_gap": 10.0, "minibatches": 2, "clip_low": 0.9, "clip_high": 9.0}
    plain = lab.objective(tmp_path, settings_with(**settings))
    corrected = lab.objective(tmp_path, settings_with(**settings, importance_cap=9.0))
    corrected.batches(0), plain.batches(0)
    for objective in (plain, corrected):
        with torch.no_grad():
            objective.model.lm_head.weight.mul_(1.1)
    (batch,) = [replace(b, engine_logps=b.old_logps - 0.5 * b.response_mask) for b in plain.batches(1)[:1]]
    corrected.batches(1)
    factor = float(torch.tensor(0.5).exp())
    assert plain.loss(batch).item() != pytest.approx(0, abs=1e-4)
    assert corrected.loss(batch).item() == pytest.approx(plain.loss(batch).item() * factor, rel=1e-4)


def test_engine_and_trainer_agree_at_another_temperature(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path, settings_with(temperature=0.6, minibatches=2))
    for batch in objective.batches(0):
        objective.loss(batch)
    figures = objective.metrics()
    assert figures["gap_max"] < 1e-4 and figures["ratio_max"] == 1.0


def test_uncertain_problems_are_told_by_the_batch_just_before(lab: Lab, tmp_path: Path) -> None:
    settings = settings_with(prompts_per_step=11, prefer_uncertain=1000.0)
    sampler = lab.objective(tmp_path, settings).sampler
    sampler.history.add(1, {p.id: (6, 3 if i else 6) for i, p in enumerate(lab.problems)})
    (left,) = {p.id for p in lab.problems} - {t.problem.id for t in sampler._ask(1)}
    assert left == lab.problems[0].id
    assert len({t.problem.id for t in sampler._ask(0)}) == 11


@pytest.mark.parametrize("aggregation", ["token", "fixed"])
def test_other_means_add_up_over_micro_batches(lab: Lab, tmp_path: Path, aggregation: str) -> None:
    objective = lab.objective(tmp_path, settings_with(aggregation=aggregation))
    total = sum(objective.loss(b).item() for b in objective.batches(0))
    rows = all_rows(objective, 0)
    count = {"token": sum(len(r.response) for r in rows), "fixed": 24 * 12}[aggregation]
    # on-policy the ratio is 1
    assert total == pytest.approx(-sum(r.weight * len(r.response) for r in rows) / count, rel=1e-4)


@pytest.mark.parametrize("groups, parts", [(3, 2), (1, 4)])
def test_minibatches_that_do_not_divide_the_groups_each_have_their_own_mean(
    lab: Lab, tmp_path: Path, groups: int, parts: int
) -> None:
    """Groups 0 and 2 of three learned from in the first of two updates; one group, and three updates without any."""
    lab.problems = lab.problems[2 : 2 + groups]
    settings = settings_with(minibatches=parts, group_size=3)
    objective = lab.objective(tmp_path, settings)
    found = gradients(objective.model, [objective.loss(b) for b in objective.batches(0)])
    rows = all_rows(objective, 0)
    first = [row for i, row in enumerate(rows) if i // 3 % parts == 0]
    assert any(row.weight for row in first)
    losses = []
    for row in first:
        batch = pad([row], 0, "cpu")
        logps, _ = token_logprobs(objective.model, batch.input_ids, batch.response_mask)
        losses.append(-row.weight * logps.sum() / len(row.response) / len(first))
    for name, gradient in gradients(objective.model, losses).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6, msg=name)
    assert [len(objective.batches(part)) for part in range(groups, parts)] == [0] * (parts - groups)


def test_an_engine_whose_log_probabilities_are_no_numbers_stops_the_run(lab: Lab, tmp_path: Path) -> None:
    """The on-policy loss would not show it: it uses the trainer's own."""
    objective = lab.objective(tmp_path)
    batch = objective.batches(0)[0]
    batch.engine_logps[batch.response_mask] = float("nan")
    with pytest.raises(GapExceeded, match=r"rollout batch 1: .*nan"):
        objective.loss(batch)


def test_old_log_probabilities_of_another_layout_are_not_mistaken_for_these(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Micro-batches depend on compute.processes, which another attempt may change."""
    settings = settings_with(minibatches=2, tokens_per_micro_batch=4096)
    expected = [b.old_logps for b in lab.objective(tmp_path, settings).batches(0)]
    monkeypatch.setattr(batching, "world", lambda: World(0, 3))
    again = lab.objective(tmp_path, settings)
    found = again.batches(0)
    assert len(found) > len(expected)
    for batch in found:
        logps, _ = token_logprobs(again.model, batch.input_ids, batch.response_mask)
        assert torch.equal(logps.detach()[batch.response_mask], batch.old_logps[batch.response_mask])
    monkeypatch.undo()
    with pytest.raises(ConfigError, match=r"compute\.processes"):  # its first update has changed the weights
        lab.objective(tmp_path, settings).batches(1)


def test_the_device_is_free_for_training_when_rollouts_are_read_back_too(lab: Lab, tmp_path: Path) -> None:
    calls: list[str] = []
    for _ in range(2):
        objective = lab.objective(tmp_path)
        objective.sampler.engine.sleep = lambda: calls.append("sleep")  # type: ignore[method-assign]
        objective.batches(0)
    assert calls == ["sleep"] * 2


def test_the_history_counts_as_p_c_does(lab: Lab, tmp_path: Path) -> None:
    """Where a cut response is worth nothing, it is incorrect to the sampler of uncertain problems too."""
    objective = lab.objective(tmp_path, settings_with(overlong="zero"))
    rollouts = [
        Rollout(
            r.task, tuple(replace(c, finish_reason="length") for c in r.completions), (Verdict(status="correct"),) * 6
        )
        for r in lab.objective(tmp_path / "other").sampler.batch(0).asked
    ]
    write_rollouts(tmp_path / "rollouts" / "step-0.parquet", [rollouts])
    objective.batches(0)
    assert objective.metrics()["p_c_mean"] == 0.0
    assert set(objective.sampler.history.rates(before=2).values()) == {0.0}


def test_tokens_per_second_are_of_all_that_was_sampled(lab: Lab, tmp_path: Path) -> None:
    lab.problems = [p.model_copy(update={"answer": "77777"}) for p in lab.problems]
    objective = lab.objective(tmp_path, settings_with(refills=1))
    objective.batches(0)
    rounds = read_rollouts(objective.sampler.folder / "step-0.parquet", objective.sampler._by_id)
    assert [len(r) for r in rounds] == [4, 4]
    tokens = sum(len(c.token_ids) for r in (*rounds[0], *rounds[1]) for c in r.completions)
    told = objective.metrics()
    assert told["tokens_per_second"] * (told["seconds_rollout"] + told["seconds_reward"]) == pytest.approx(tokens)


def test_mean_weight_is_of_the_groups_whose_pass_rate_is_known(lab: Lab, tmp_path: Path) -> None:
    objective = lab.objective(tmp_path)
    asked = lab.objective(tmp_path / "other").sampler.batch(0).asked
    lost, half = (Verdict(status="unknown"),) * 6, tuple(Verdict(status=s) for s in ("correct", "incorrect") * 3)
    rollouts = [Rollout(r.task, r.completions, lost if i else half) for i, r in enumerate(asked)]
    write_rollouts(tmp_path / "rollouts" / "step-0.parquet", [rollouts])
    objective.batches(0)
    told = objective.metrics()
    assert (told["p_c_mean"], told["w_mean"], told["unknown"]) == (0.5, 1.0, 0.75)
