"""Our on-policy loss with lambda = 0 and the sample deviation is TRL's GRPO: the same tokens and rewards, its own code."""

from pathlib import Path
from typing import Any

import pytest
import torch

from vibethinker.algorithms import mgpo
from vibethinker.algorithms.mgpo import clipped_objective, group_advantages
from vibethinker.config.model import ScratchSettings
from vibethinker.models.logprobs import token_logprobs
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.training.batching import TokenSequence, pad

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


def model_and_tokenizer() -> tuple[Any, Any]:
    tokenizer = tiny_tokenizer()
    scratch = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=128)
    return tiny_model(scratch, tokenizer, 3).eval(), tokenizer


def tokens(tokenizer: Any) -> tuple[list[list[int]], list[list[int]]]:
    prompts = [tokenizer(p)["input_ids"] for p in PROMPTS for _ in range(GROUP)]
    return prompts, [[*tokenizer(r)["input_ids"], tokenizer.eos_token_id] for r in RESPONSES]


def trl_gradients(folder: Path, temperature: float) -> tuple[float, dict[str, torch.Tensor]]:
    trl = pytest.importorskip("trl", reason="TRL is a peer of the dev extra")
    from datasets import Dataset

    model, tokenizer = model_and_tokenizer()

    class Given(trl.GRPOTrainer):  # type: ignore[misc]
        """All of TRL but its sampler."""

        def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
            return (*tokens(tokenizer), None, RESPONSES, None, {}, None, [])

    arguments = trl.GRPOConfig(
        output_dir=str(folder),
        loss_type="grpo",
        beta=0.0,
        num_generations=GROUP,
        per_device_train_batch_size=2 * GROUP,
        temperature=temperature,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        max_completion_length=64,
    )
    trainer = Given(
        model,
        reward_funcs=lambda completions, **_: REWARDS,
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
        processing_class=tokenizer,
    )
    trainer.current_gradient_accumulation_steps = 1
    inputs = trainer._generate_and_score_completions([{"prompt": p} for p in PROMPTS for _ in range(GROUP)])
    loss = trainer._compute_loss(model, inputs)
    loss.backward()
    return loss.item(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def our_gradients(temperature: float) -> tuple[float, dict[str, torch.Tensor]]:
    model, tokenizer = model_and_tokenizer()
    rewards = torch.tensor(REWARDS).view(-1, GROUP)
    advantages = group_advantages(rewards, torch.ones_like(rewards, dtype=torch.bool), "sample").flatten().tolist()
    rows = [TokenSequence(tuple(p), tuple(r), a) for p, r, a in zip(*tokens(tokenizer), advantages, strict=True)]
    batch = pad(rows, tokenizer.pad_token_id, "cpu")
    logps, _ = token_logprobs(model, batch.input_ids, batch.response_mask, temperature)
    loss = -clipped_objective(logps, logps.detach(), batch.weights, batch.response_mask, 0.2).sum() / len(rows)
    loss.backward()
    return loss.item(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_gradients_are_trls(temperature: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mgpo, "STD_EPSILON", 1e-4)  # TRL's
    theirs, their_gradients = trl_gradients(tmp_path, temperature)
    ours, gradients = our_gradients(temperature)
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert gradients.keys() == their_gradients.keys()
    largest = max(g.abs().max() for g in gradients.values())
    assert largest > 1e-3
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, their_gradients[name], rtol=1e-4, atol=1e-6 * largest.item(), msg=name)
