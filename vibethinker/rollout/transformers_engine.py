"""The portable engine: transformers' own forward pass, one prefill per prompt for its whole group, finished rows leave the batch."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from vibethinker.rollout.engine import Completion, OnDone, Prompt, Sampling, derive_seed

COMPACT_BELOW = 0.8
"""Rows leave the batch once fewer than this share is still alive: dropping them copies the key/value cache."""


class TransformersEngine:
    """Generates with the given model object itself, so that a trainer in the same process needs no weight transfer."""

    def __init__(self, model: PreTrainedModel, eos_ids: Sequence[int], pad_id: int, rows: int = 512) -> None:
        """rows: sequences decoded together, an upper bound."""
        self.model = model
        self.eos = torch.tensor(sorted(eos_ids), device=model.device)
        self.pad_id = pad_id
        self.rows = rows

    @property
    def identity(self) -> Mapping[str, str]:
        return {"engine": "transformers", "transformers": version("transformers"), "torch": version("torch")}

    def update_weights(self, state: Mapping[str, Tensor]) -> None:
        own = self.model.state_dict()
        if any(own[name].data_ptr() != tensor.data_ptr() for name, tensor in state.items()):
            self.model.load_state_dict(dict(state))

    def sleep(self) -> None:
        """Holds nothing between calls but the model, which the trainer shares."""

    def close(self) -> None:
        """Has started nothing."""

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, on_done: OnDone | None = None
    ) -> list[list[Completion]]:
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].token_ids))
        size = max(1, self.rows // sampling.samples)
        results: list[list[Completion]] = [[] for _ in prompts]
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            completions = self._generate_batch([prompts[i] for i in chosen], sampling)
            for position, i in enumerate(chosen):
                results[i] = completions[position * sampling.samples : (position + 1) * sampling.samples]
                if on_done:
                    for sample, completion in enumerate(results[i]):
                        on_done(i, sample, completion)
        return results

    @torch.inference_mode()
    def _generate_batch(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        n, steps = sampling.samples, sampling.max_response_tokens
        uniforms = _uniforms(prompts, sampling).to(self.model.device)
        logits, cache, mask = self._prefill(prompts)
        logits, mask = logits.repeat_interleave(n, 0), mask.repeat_interleave(n, 0)
        cache.batch_repeat_interleave(n)
        total = len(prompts) * n
        tokens = torch.full((total, steps), self.pad_id, device=self.model.device)
        logps = torch.zeros((total, steps), device=self.model.device)
        lengths = torch.full((total,), steps, device=self.model.device)
        ended = torch.zeros(total, dtype=torch.bool, device=self.model.device)
        rows = torch.arange(total, device=self.model.device)
        for step in range(steps):
            chosen, chosen_logps = _sample(logits, uniforms[rows, step], sampling)
            alive = ~ended[rows]
            tokens[rows[alive], step] = chosen[alive]
            logps[rows[alive], step] = chosen_logps[alive]
            finished = alive & torch.isin(chosen, self.eos)
            lengths[rows[finished]] = step + 1
            ended[rows[finished]] = True
            alive &= ~finished
            remaining = int(alive.sum())
            if remaining == 0 or step + 1 == steps:
                break
            if remaining < COMPACT_BELOW * len(rows):
                kept = alive.nonzero().squeeze(-1)
                cache.batch_select_indices(kept)
                rows, mask, chosen = rows[kept], mask[kept], chosen[kept]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], 1)
            position_ids = mask.sum(-1, keepdim=True) - 1
            out = self.model(
                input_ids=chosen.unsqueeze(-1),
                attention_mask=mask,
                position_ids=position_ids,
                past_key_values=cache,
                use_cache=True,
            )
            logits = out.logits[:, -1]
        return _collect(tokens, logps, lengths, ended)

    def _prefill(self, prompts: Sequence[Prompt]) -> tuple[Tensor, DynamicCache, Tensor]:
        """Next-token logits [P, V], cache and left-padded mask [P, longest prompt] of each prompt, once per group."""
        longest = max(len(p.token_ids) for p in prompts)
        ids = torch.tensor([[self.pad_id] * (longest - len(p.token_ids)) + list(p.token_ids) for p in prompts])
        mask = torch.tensor([[0] * (longest - len(p.token_ids)) + [1] * len(p.token_ids) for p in prompts])
        ids, mask = ids.to(self.model.device), mask.to(self.model.device)
        position_ids = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache(config=self.model.config)
        out = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1], cache, mask


def _uniforms(prompts: Sequence[Prompt], sampling: Sampling) -> Tensor:
    """[rows, steps] uniform numbers, each row from its own seed (sampling.seed, prompt, sample)."""
    generator = torch.Generator()
    rows = []
    for prompt in prompts:
        for sample in range(sampling.first, sampling.first + sampling.samples):
            generator.manual_seed(derive_seed(sampling.seed, prompt.key, sample))
            rows.append(torch.rand(sampling.max_response_tokens, generator=generator))
    return torch.stack(rows)


def _sample(logits: Tensor, uniforms: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Inverse-CDF sampling. logits: [N, V], uniforms: [N]. Returns tokens [N] and their log-probabilities [N]."""
    if sampling.temperature == 0:
        logps = torch.log_softmax(logits.float(), -1)
        best, tokens = logps.max(-1)
        return tokens, best
    logps = torch.log_softmax(logits.float() / sampling.temperature, -1)
    probabilities = logps.exp()
    if sampling.top_p < 1:
        probabilities = _nucleus(probabilities, sampling.top_p)
    cumulative = probabilities.cumsum(-1)
    point = uniforms.unsqueeze(-1) * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, point, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)
    return tokens, logps.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Keeps the smallest set of most probable tokens whose mass reaches top_p; the rest become 0."""
    ordered, index = probabilities.sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    kept = torch.where(before < top_p, ordered, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, index, kept)


def _collect(tokens: Tensor, logps: Tensor, lengths: Tensor, ended: Tensor) -> list[Completion]:
    all_tokens, all_logps = tokens.tolist(), logps.tolist()
    return [
        Completion(tuple(all_tokens[i][:n]), tuple(all_logps[i][:n]), "stop" if stopped else "length")
        for i, (n, stopped) in enumerate(zip(lengths.tolist(), ended.tolist(), strict=True))
    ]
