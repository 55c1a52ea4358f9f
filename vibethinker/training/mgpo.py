"""MGPO as an objective of the training loop: roll out, grade, weigh, learn [A 3.4]."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from transformers import PreTrainedModel

from vibethinker.algorithms.surrogate import aggregate, clipped_surrogate, kl_estimate, kl_penalty, truncated_importance
from vibethinker.errors import ConfigError, VibeThinkerError
from vibethinker.models.chat import decode_responses
from vibethinker.models.logprobs import token_logprobs
from vibethinker.models.precision import forward_type
from vibethinker.runs.manifest import write_atomic
from vibethinker.tracking.local import Tracker
from vibethinker.training.batching import Batch, TokenSequence, micro_batches, share_out
from vibethinker.training.figures import UpdateFigures, length_histogram, p_c_histogram, rollout_figures
from vibethinker.training.parallel import gather, world
from vibethinker.training.sampling import RolloutBatch, Sampler
from vibethinker.training.signal import Rollout, Signal, weigh

SHOWN_SAMPLES = 4
"""Responses shown at every checkpoint."""


class GapExceeded(VibeThinkerError, ArithmeticError):
    """The engine's log-probabilities are not the trainer's: what was sampled is not what the loss differentiates."""


class MgpoObjective:
    """One update per rollout batch by default, strictly on-policy: the ratio's denominator is the trainer's own
    log-probability [B]. With several minibatches it is the one from before the batch's first update."""

    def __init__(
        self,
        model: PreTrainedModel,
        sampler: Sampler,
        tracker: Tracker,
        precision: str,
        load_reference: Callable[[], PreTrainedModel],
    ) -> None:
        """load_reference: the stage's start model, for the KL from it."""
        self.model, self.sampler, self.tracker, self.precision = model, sampler, tracker, precision
        self.settings, self.stage = sampler.settings, sampler.stage
        self.pad_id = int(sampler.tokenizer.pad_token_id)
        self._load_reference = load_reference
        self._reference: PreTrainedModel | None = None
        self._index = -1
        self._minibatches: list[list[Batch]] = []
        self._sequences: list[int] = []
        self._tokens: list[int] = []
        self._part = 0
        self._figures = UpdateFigures()
        self._rollout_figures: Mapping[str, float] = {}

    def batches(self, step: int) -> list[Batch]:
        index, self._part = divmod(step, self.settings.minibatches)
        if index != self._index:
            self._open(index)
        self._figures = UpdateFigures()
        if not self.settings.kl:
            self._reference = None  # only looked at now and then: not worth its memory in between
        return self._minibatches[self._part]

    def loss(self, batch: Batch) -> Tensor:
        s, mask = self.settings, batch.response_mask
        logps, entropies = token_logprobs(self.model, batch.input_ids, mask, s.temperature)
        old = batch.old_logps if s.minibatches > 1 else logps.detach()
        per_token, clipped = clipped_surrogate(logps, old, batch.weights, s.clip_low, s.clip_high)
        if s.importance_cap:
            per_token = per_token * truncated_importance(old, batch.engine_logps, s.importance_cap)
        if s.kl or self._measures_kl:
            start = self._reference_logps(batch)
            self._figures.add("kl_start", kl_estimate(logps.detach(), start), mask)
            per_token = per_token - s.kl * kl_penalty(logps, old, start) if s.kl else per_token
        self._record(batch, logps, old, entropies, clipped)
        window = self.stage.max_response_tokens
        sequences, tokens = self._sequences[self._part], self._tokens[self._part]
        return -aggregate(per_token, mask, s.aggregation, sequences, tokens, window)

    def metrics(self) -> dict[str, float]:
        """Figures of the last update, with those of its rollout batch if it was the batch's first; every process has to ask."""
        own = self._rollout_figures if self._part == 0 else {}
        return {**own, **self._figures.result()}

    @property
    def reward(self) -> float:
        """Mean of the last rollout batch."""
        return self._rollout_figures["reward"]

    def _open(self, index: int) -> None:
        """Samples a rollout batch, or reads it back, and lays it out for its updates."""
        batch = self.sampler.batch(index)
        signal = weigh(batch.learned, self.settings, self.stage.long2short)
        asked = signal if not batch.refilled else weigh(batch.asked, self.settings, self.stage.long2short)
        self._tell(index, batch, asked)
        parts = self.settings.minibatches
        groups = [range(part, len(batch.learned), parts) for part in range(parts)]
        self._sequences = [len(part) * self.settings.group_size for part in groups]
        self._tokens = [sum(len(c.token_ids) for q in part for c in batch.learned[q].completions) for part in groups]
        self._minibatches = [self._laid_out(batch.learned, signal, part) for part in groups]
        if parts > 1:
            self._minibatches = self._with_old_logps(index)
        self._index = index

    def _laid_out(self, rollouts: Sequence[Rollout], signal: Signal, questions: Sequence[int]) -> list[Batch]:
        """Micro-batches of the responses that carry a gradient: without a KL term, those with an advantage."""
        sequences = [
            TokenSequence(rollouts[q].task.prompt.token_ids, completion.token_ids, advantage, completion.logps)
            for q in questions
            for completion, advantage, masked in zip(
                rollouts[q].completions, signal.advantages[q].tolist(), signal.masked[q].tolist(), strict=True
            )
            if advantage != 0 or (self.settings.kl and not masked)
        ]
        return micro_batches(sequences, self.settings.tokens_per_micro_batch, self.pad_id, str(self.model.device))

    def _with_old_logps(self, index: int) -> list[list[Batch]]:
        """The trainer's log-probabilities before the batch's first update, on the very micro-batches of the updates: a
        ratio then starts at exactly 1. Written down, since later weights can't give them again."""
        path = self.sampler.folder / f"step-{index}.old.safetensors"
        flat = [batch for part in self._minibatches for batch in part]
        old = _read_old(path, flat)
        if old is None:
            if self._part:
                raise ConfigError(
                    f"rollout batch {index + 1} was left between two of its updates, with other micro-batches than now: they "
                    f"depend on compute.processes, which is {world().count}; set it back until the next checkpoint"
                )
            old = self._old_logps(flat)
            if world().first:
                _write_old(path, flat, old)
        found = iter([replace(batch, old_logps=logps) for batch, logps in zip(flat, old, strict=True)])
        return [[next(found) for _ in part] for part in self._minibatches]

    @torch.no_grad()
    def _old_logps(self, batches: Sequence[Batch]) -> list[Tensor]:
        own: dict[int, Tensor] = {}
        for i in share_out(batches, world().count)[world().rank]:
            batch = batches[i]
            with forward_type(self.model, self.precision):
                own[i] = self._logps(self.model, batch).cpu()
        found = {i: logps for share in gather(own) for i, logps in share.items()}
        return [found[i].to(self.model.device) for i in range(len(batches))]

    @property
    def _measures_kl(self) -> bool:
        """At checkpoints, on the rows that are trained."""
        return self._part == 0 and (self._index + 1) % self.settings.checkpoint_every == 0

    @torch.no_grad()
    def _reference_logps(self, batch: Batch) -> Tensor:
        if self._reference is None:
            self._reference = self._load_reference()
        return self._logps(self._reference, batch)

    def _logps(self, model: PreTrainedModel, batch: Batch) -> Tensor:
        temperature = self.settings.temperature
        return token_logprobs(model, batch.input_ids, batch.response_mask, temperature, entropy=False)[0]

    def _record(self, batch: Batch, logps: Tensor, old: Tensor, entropies: Tensor, clipped: Tensor) -> None:
        mask = batch.response_mask
        gap = (old - batch.engine_logps).detach().abs()
        self._figures.add("gap", gap, mask, largest=True)
        self._figures.add("entropy", entropies, mask)
        if self.settings.minibatches > 1:
            self._figures.add("ratio", (logps - old).exp(), mask, largest=True)
            self._figures.add("clip_share", clipped, mask)
        mean = gap[mask].mean().item()
        # a trainer's that is no number is the loop's to refuse; the engine's would show nowhere else
        if mean > self.settings.max_gap or not batch.engine_logps.isfinite().all():
            raise GapExceeded(
                f"rollout batch {self._index + 1}: engine and trainer differ by {mean:.3g} nats a token on average, above "
                f"mgpo.max_gap = {self.settings.max_gap:g}; the update was refused, the last checkpoint stays. Run both in one "
                "precision, or raise the limit if this is meant"
            )

    def _tell(self, index: int, batch: RolloutBatch, signal: Signal) -> None:
        self._rollout_figures = rollout_figures(batch, signal)
        if not world().first:
            return
        step = index * self.settings.minibatches + 1
        self.tracker.histogram("p_c", step, *p_c_histogram(signal, self.settings.group_size))
        self.tracker.histogram("response_tokens", step, *length_histogram(batch, self.stage.max_response_tokens))
        if index % self.settings.checkpoint_every == 0:
            rows = list(zip(batch.asked, signal.advantages[:, 0].tolist(), strict=True))[:SHOWN_SAMPLES]
            self.tracker.samples(step, [self._shown(rollout, advantage) for rollout, advantage in rows])

    def _shown(self, rollout: Rollout, advantage: float) -> Mapping[str, object]:
        verdict, completion = rollout.verdicts[0], rollout.completions[0]
        (response,) = decode_responses(self.sampler.tokenizer, [completion.token_ids])
        return {
            "question": rollout.task.problem.question,
            "response": response,
            "status": verdict.status,
            "extracted": verdict.extracted,
            "tokens": len(completion.token_ids),
            "finish_reason": completion.finish_reason,
            "advantage": advantage,
        }


def _write_old(path: Path, batches: Sequence[Batch], old: Sequence[Tensor]) -> None:
    tensors = {str(i): tensor.cpu() for i, tensor in enumerate(old)}
    write_atomic(path, save(tensors, metadata={"layout": _layout(batches)}))


def _read_old(path: Path, batches: Sequence[Batch]) -> list[Tensor] | None:
    """What `_write_old` wrote; None where there is nothing, or where the tokens lay otherwise in the micro-batches."""
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        if file.metadata()["layout"] != _layout(batches):
            return None
        return [file.get_tensor(str(i)).to(batch.input_ids.device) for i, batch in enumerate(batches)]


def _layout(batches: Sequence[Batch]) -> str:
    found = blake2b(digest_size=16)
    for batch in batches:
        found.update(str(tuple(batch.input_ids.shape)).encode() + batch.input_ids.cpu().numpy().tobytes())
    return found.hexdigest()
