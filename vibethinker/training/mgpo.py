"""MGPO as an objective of the training loop: roll out, grade, weigh, learn [A 3.4]."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from vibethinker.algorithms.long2short import long2short_rewards
from vibethinker.algorithms.mgpo import clipped_objective, group_advantages, maxent_weight, pass_rate
from vibethinker.config.mgpo import MgpoSettings, MgpoStageSettings
from vibethinker.models.chat import decode_responses
from vibethinker.models.logprobs import token_logprobs
from vibethinker.records import Problem, Verdict
from vibethinker.rollout.engine import Completion, Engine, Prompt, Sampling, derive_seed
from vibethinker.runs.manifest import write_atomic
from vibethinker.tracking.local import Tracker
from vibethinker.training.batching import Batch, TokenSequence, micro_batches
from vibethinker.training.sft import epoch_order
from vibethinker.verifiers.grader import Grader

SHOWN_SAMPLES = 4
"""Responses shown at every checkpoint."""


@dataclass(frozen=True)
class Task:
    """A problem with its tokenised prompt."""

    problem: Problem
    prompt: Prompt


@dataclass(frozen=True)
class Rollout:
    """A graded group: G completions of one problem."""

    completions: list[Completion]
    verdicts: list[Verdict]


@dataclass(frozen=True)
class Signal:
    """What a rollout batch teaches. Shapes [Q] and [Q, G]."""

    p_c: Tensor
    w_me: Tensor
    advantages: Tensor
    """Weighted, A' = w_ME A."""


def weigh(rollouts: Sequence[Rollout], settings: MgpoSettings, long2short: float) -> Signal:
    """p_c from correctness alone; advantages from rewards (shaped under Long2Short), then weighted by w_ME [A 3.4]."""
    correct = torch.tensor([[v.status == "correct" for v in r.verdicts] for r in rollouts])
    known = torch.tensor([[v.status != "unknown" for v in r.verdicts] for r in rollouts])
    lengths = torch.tensor([[len(c.token_ids) for c in r.completions] for r in rollouts])
    rewards = correct.float()
    if long2short:
        rewards = long2short_rewards(rewards, correct, lengths, long2short)
    p_c = pass_rate(correct, known)
    w_me = maxent_weight(p_c.nan_to_num(0.0), settings.lambda_me)
    return Signal(p_c, w_me, w_me.unsqueeze(-1) * group_advantages(rewards, known, settings.standardise))


class MgpoObjective:
    """One update per rollout batch, strictly on-policy: the ratio's denominator is the trainer's own log-prob [B]."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        engine: Engine,
        grader: Grader,
        tasks: Sequence[Task],
        settings: MgpoSettings,
        stage: MgpoStageSettings,
        seed: int,
        scratch: Path,
        tracker: Tracker,
    ) -> None:
        self.model, self.tokenizer, self.engine, self.grader = model, tokenizer, engine, grader
        self.tasks, self.settings, self.stage, self.seed = tasks, settings, stage, seed
        self.folder = scratch / "rollouts"
        self.tracker = tracker
        self._metrics: dict[str, float] = {}
        self._sequences = 1
        self._gaps: list[Tensor] = []
        self._entropies: list[Tensor] = []

    def batches(self, step: int) -> list[Batch]:
        tasks = self._tasks(step)
        rollouts = self._rollouts(step, tasks)
        signal = weigh(rollouts, self.settings, self.stage.long2short)
        self._sequences = signal.advantages.numel()
        self._gaps, self._entropies = [], []
        self._record(step, tasks, rollouts, signal)
        sequences = [
            TokenSequence(task.prompt.token_ids, completion.token_ids, advantage, completion.logps)
            for task, rollout, row in zip(tasks, rollouts, signal.advantages.tolist(), strict=True)
            for completion, advantage in zip(rollout.completions, row, strict=True)
            if advantage != 0
        ]
        pad_id = int(self.tokenizer.pad_token_id)
        return micro_batches(sequences, self.settings.tokens_per_micro_batch, pad_id, str(self.model.device))

    def loss(self, batch: Batch) -> Tensor:
        logps, entropies = token_logprobs(self.model, batch.input_ids, batch.response_mask, self.settings.temperature)
        self._gaps.append((logps.detach() - batch.engine_logps).abs()[batch.response_mask])
        self._entropies.append(entropies[batch.response_mask])
        objective = clipped_objective(logps, logps.detach(), batch.weights, batch.response_mask, self.settings.clip_low)
        return -objective.sum() / self._sequences

    def metrics(self) -> dict[str, float]:
        if not self._gaps:
            return self._metrics
        gaps, entropies = torch.cat(self._gaps), torch.cat(self._entropies)
        return self._metrics | {
            "gap_mean": gaps.mean().item(),
            "gap_max": gaps.max().item(),
            "entropy": entropies.mean().item(),
        }

    def _tasks(self, step: int) -> list[Task]:
        """The step's problems, each once: the same prompt twice in a step would get the same samples twice."""
        size = min(self.settings.prompts_per_step, len(self.tasks))
        epoch, batch = divmod(step, len(self.tasks) // size)
        order = epoch_order(len(self.tasks), self.seed, epoch)[batch * size : (batch + 1) * size]
        return [self.tasks[int(i)] for i in order]

    def _rollouts(self, step: int, tasks: Sequence[Task]) -> list[Rollout]:
        """Sampled and graded once, written before the update uses them; a repeated step reads them back (promise 2)."""
        path = self.folder / f"step-{step}.json"
        if path.exists():
            self._metrics = {}
            return [_read_rollout(row) for row in orjson.loads(path.read_bytes())]
        started = time.perf_counter()
        sampling = Sampling(
            self.settings.group_size,
            self.stage.max_response_tokens,
            self.settings.temperature,
            seed=derive_seed(self.seed, step),
        )
        groups = self.engine.generate([t.prompt for t in tasks], sampling)
        generated = time.perf_counter()
        rollouts = grade_groups(self.grader, self.tokenizer, tasks, groups)
        self._metrics = {"seconds_rollout": generated - started, "seconds_reward": time.perf_counter() - generated}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(
            path, orjson.dumps([asdict(r) | {"verdicts": [v.model_dump() for v in r.verdicts]} for r in rollouts])
        )
        return rollouts

    def _record(self, step: int, tasks: Sequence[Task], rollouts: Sequence[Rollout], signal: Signal) -> None:
        completions = [c for r in rollouts for c in r.completions]
        verdicts = [v for r in rollouts for v in r.verdicts]
        count = len(completions)
        known = signal.p_c[~signal.p_c.isnan()]
        self._metrics = self._metrics | {
            "reward": sum(v.status == "correct" for v in verdicts) / count,
            "unknown": sum(v.status == "unknown" for v in verdicts) / count,
            "p_c_mean": known.mean().item(),
            "w_mean": signal.w_me.mean().item(),
            "zero_advantage_share": (signal.advantages == 0).float().mean().item(),
            "response_tokens": sum(len(c.token_ids) for c in completions) / count,
            "truncated": sum(c.finish_reason == "length" for c in completions) / count,
        }
        bins = self.settings.group_size + 1  # one for each value that p_c can take
        counts = torch.histc(known, bins, 0, 1).int().tolist()
        self.tracker.histogram("p_c", step + 1, [i / bins for i in range(bins + 1)], counts)
        if step % self.settings.checkpoint_every == 0:
            self.tracker.samples(
                step + 1, [self._shown(t, r) for t, r in list(zip(tasks, rollouts, strict=True))[:SHOWN_SAMPLES]]
            )

    def _shown(self, task: Task, rollout: Rollout) -> Mapping[str, object]:
        verdict = rollout.verdicts[0]
        (response,) = decode_responses(self.tokenizer, [rollout.completions[0].token_ids])
        return {
            "question": task.problem.question,
            "response": response,
            "status": verdict.status,
            "extracted": verdict.extracted,
        }


def grade_groups(
    grader: Grader, tokenizer: PreTrainedTokenizerBase, tasks: Sequence[Task], groups: Sequence[Sequence[Completion]]
) -> list[Rollout]:
    """Decodes and grades every completion."""
    texts = decode_responses(tokenizer, [c.token_ids for group in groups for c in group])
    asked = [task.problem for task, group in zip(tasks, groups, strict=True) for _ in group]
    verdicts = iter(grader.grade(list(zip(asked, texts, strict=True))))
    return [Rollout(list(group), [next(verdicts) for _ in group]) for group in groups]


def _read_rollout(row: dict[str, list[dict[str, object]]]) -> Rollout:
    completions = [
        Completion(tuple(c["token_ids"]), tuple(c["logps"]), c["finish_reason"])  # type: ignore[arg-type]
        for c in row["completions"]
    ]
    return Rollout(completions, [Verdict.model_validate(v) for v in row["verdicts"]])
