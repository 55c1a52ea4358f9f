"""Our loss with lambda = 0 and the sample deviation is TRL's GRPO: the same tokens and rewards, its own code.

Each case is compared in loss and gradients, and again with each of its choices undone, which must show: a comparison that
passes either way compares nothing.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vibethinker.algorithms import mgpo
from vibethinker.algorithms.mgpo import group_advantages, maxent_weight, pass_rate
from vibethinker.algorithms.surrogate import Aggregation, aggregate, clipped_surrogate, kl_penalty, truncated_importance
from vibethinker.config.model import ScratchSettings
from vibethinker.models.logprobs import token_logprobs
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.training.batching import Batch, TokenSequence, pad

pytestmark = pytest.mark.usefixtures("one_thread")

PROMPTS = ["Solve 3x + 4 = 19 for x.", "Two numbers have sum 9 and difference 1; what is the larger one?"]
RESPONSES = [
    "19-4=15 15/3=5 \\boxed{5}",
    "\\boxed{6}",
    "5",
    "15/3=5 \\boxed{5}",
    "9+1=10",
    "\\boxed{5}",
    "4",
    "\\boxed{45}",
]
REWARDS = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0]
GROUP = 4
WINDOW = 64
LOSS_TYPES: dict[Aggregation, str] = {"sequence": "grpo", "token": "dapo", "fixed": "dr_grpo"}

Gradients = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Case:
    """What the loss is asked for."""

    temperature: float = 1.0
    clip_low: float = 0.2
    clip_high: float = 0.2
    how: Aggregation = "sequence"
    kl: float = 0.0
    cap: float = 0.0
    """Of the truncated importance; 0 is off."""
    lambda_me: float = 0.0
    unknown: int | None = None
    """The response without a verdict."""
    away: float = 0.0
    """Size of the updates between the reference and the old log-probabilities."""
    moved: float = 0.0
    """Size of the update between the old log-probabilities and the loss; 0 is on-policy."""

    def rewards(self) -> list[float | None]:
        return [None if i == self.unknown else r for i, r in enumerate(REWARDS)]


def model_and_tokenizer() -> tuple[Any, Any]:
    tokenizer = tiny_tokenizer()
    scratch = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=128)
    return tiny_model(scratch, tokenizer, 3).eval(), tokenizer


def move(model: Any, seed: int, size: float) -> None:
    """An update: every weight, as good as by a few optimiser steps."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)


def tokens(tokenizer: Any) -> tuple[list[list[int]], list[list[int]]]:
    prompts = [tokenizer(p)["input_ids"] for p in PROMPTS for _ in range(GROUP)]
    return prompts, [[*tokenizer(r)["input_ids"], tokenizer.eos_token_id] for r in RESPONSES]


def engine_logps(responses: list[list[int]]) -> list[list[float]]:
    """What an engine unlike the trainer might have given: each about that of a uniform choice."""
    generator = torch.Generator().manual_seed(5)
    return [(-5.8 + 0.5 * torch.randn(len(r), generator=generator)).tolist() for r in responses]


def trl_arguments(trl: Any, folder: Path, case: Case) -> Any:
    return trl.GRPOConfig(
        output_dir=str(folder),
        loss_type=LOSS_TYPES[case.how],
        beta=case.kl,
        epsilon=case.clip_low,
        epsilon_high=case.clip_high,
        vllm_importance_sampling_mode="token_truncate",
        vllm_importance_sampling_clip_min=None,
        vllm_importance_sampling_clip_max=case.cap,
        num_iterations=2 if case.moved else 1,  # with 2 it keeps the old log-probabilities
        num_generations=GROUP,
        per_device_train_batch_size=2 * GROUP,
        temperature=case.temperature,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        max_completion_length=WINDOW,
    )


def trl_gradients(folder: Path, case: Case) -> tuple[float, Gradients]:
    trl = pytest.importorskip("trl", reason="TRL is a peer of the dev extra")
    from datasets import Dataset

    model, tokenizer = model_and_tokenizer()
    model.save_pretrained(folder / "start")  # TRL reads its reference from where the model came from
    model.config._name_or_path = str(folder / "start")

    class Given(trl.GRPOTrainer):  # type: ignore[misc]
        """All of TRL but its sampler."""

        def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
            asked, answered = tokens(tokenizer)
            return asked, answered, None, RESPONSES, engine_logps(answered), {}, None, []

    trainer = Given(
        model,
        reward_funcs=lambda completions, **_: case.rewards(),
        args=trl_arguments(trl, folder, case),
        train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
        processing_class=tokenizer,
    )
    trainer.use_vllm = bool(case.cap)
    trainer.current_gradient_accumulation_steps = 1
    move(model, 1, case.away)
    inputs = trainer._generate_and_score_completions([{"prompt": p} for p in PROMPTS for _ in range(GROUP)])
    assert ("old_per_token_logps" in inputs) == bool(case.moved)
    inputs["advantages"] = inputs["advantages"] * weights(case)
    move(model, 2, case.moved)
    loss = trainer._compute_loss(model, inputs)
    loss.backward()
    return loss.item(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def verdicts(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """Rewards and which are known, [Q, G]; a reward that is not known is nan."""
    rewards = torch.tensor([float("nan") if r is None else r for r in case.rewards()]).view(-1, GROUP)
    return rewards, ~rewards.isnan()


def weights(case: Case) -> torch.Tensor:
    """w_ME of every response's group: [N]."""
    rewards, known = verdicts(case)
    return maxent_weight(pass_rate(rewards == 1, known), case.lambda_me).repeat_interleave(GROUP)


def our_batch(tokenizer: Any, case: Case) -> Batch:
    advantages = group_advantages(*verdicts(case), "sample").flatten() * weights(case)
    asked, answered = tokens(tokenizer)
    rows = zip(asked, answered, advantages.tolist(), engine_logps(answered), strict=True)
    sequences = [TokenSequence(tuple(p), tuple(r), a, tuple(e)) for p, r, a, e in rows]
    return pad(sequences, tokenizer.pad_token_id, "cpu")


def our_gradients(case: Case) -> tuple[float, Gradients, torch.Tensor, Batch]:
    """Loss, gradients, where it was clipped, and on what."""
    model, tokenizer = model_and_tokenizer()
    batch = our_batch(tokenizer, case)

    def logps() -> torch.Tensor:
        return token_logprobs(model, batch.input_ids, batch.response_mask, case.temperature)[0]

    with torch.no_grad():
        reference = logps()
        move(model, 1, case.away)
        old = logps()
        move(model, 2, case.moved)
    new = logps()
    per_token, clipped = clipped_surrogate(new, old, batch.weights, case.clip_low, case.clip_high)
    if case.cap:
        per_token = per_token * truncated_importance(old, batch.engine_logps, case.cap)
    if case.kl:
        per_token = per_token - case.kl * kl_penalty(new, old, reference)
    count, total = len(RESPONSES), int(batch.response_mask.sum())
    loss = -aggregate(per_token, batch.response_mask, case.how, count, total, WINDOW)
    loss.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return loss.item(), gradients, clipped & batch.response_mask, batch


def largest_difference(ours: Gradients, theirs: Gradients) -> float:
    """As a share of the largest gradient."""
    assert ours.keys() == theirs.keys()
    largest = max(g.abs().max().item() for g in theirs.values())
    assert largest > 1e-4
    return max((g - theirs[n]).abs().max().item() for n, g in ours.items()) / largest


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(), id="on-policy"),
        pytest.param(Case(temperature=0.7), id="temperature"),
        pytest.param(Case(lambda_me=2.0), id="mgpo"),
        pytest.param(Case(unknown=2, lambda_me=2.0), id="unknown"),
        pytest.param(Case(how="token"), id="token"),
        pytest.param(Case(how="fixed"), id="fixed"),
        pytest.param(Case(moved=0.03, clip_low=0.1, clip_high=0.3), id="clipped"),
        pytest.param(Case(kl=0.3, away=0.03), id="kl-on-policy"),
        pytest.param(Case(kl=0.3, away=0.03, moved=0.03), id="kl"),
        pytest.param(Case(cap=1.5, away=0.03, moved=0.03), id="importance"),
        pytest.param(
            Case(0.7, 0.1, 0.3, "token", kl=0.3, cap=1.5, lambda_me=2.0, unknown=2, away=0.03, moved=0.03), id="all"
        ),
    ],
)
def test_loss_and_gradients_are_trls(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mgpo, "STD_EPSILON", 1e-4)  # TRL's
    their_loss, theirs = trl_gradients(tmp_path, case)
    our_loss, ours, clipped, batch = our_gradients(case)
    assert our_loss == pytest.approx(their_loss, abs=1e-6)
    assert largest_difference(ours, theirs) < 2e-6
    if case.moved:  # clipped above where A' > 0, below where A' < 0
        assert clipped[batch.weights > 0].any()
        assert clipped[batch.weights < 0].any()
    for field in fields(Case):
        if getattr(case, field.name) != field.default:
            undone = our_gradients(replace(case, **{field.name: field.default}))[1]
            assert largest_difference(undone, theirs) > 1e-3, f"{field.name} does not show"
