"""The portable engine: transformers' own forward pass, one prefill per prompt for its whole group, finished rows leave the batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from vibethinker.models.lora import adapted_weights, base_state, merged
from vibethinker.rollout.engine import Completion, OnDone, Prompt, Sampling
from vibethinker.rollout.key_values import empty_cache
from vibethinker.rollout.sampling import choose, draw_uniforms

LOOK_EVERY = 2
"""Steps between two looks at which rows have ended: a look waits for the device and moves rows of the cache."""

Tell = Callable[[int, Completion], None]
"""(row of the batch as it began, response)"""


@dataclass
class _Rows:
    """What is being generated. M rows of N are still there; T steps at most. A batch begins with prompts left-padded to L."""

    ids: Tensor
    """[M], which of the N rows each is."""
    uniforms: Tensor
    """[T, N]"""
    tokens: Tensor
    """[T, N]; what a row gets after its end means nothing."""
    logps: Tensor
    """[T, N]"""
    mask: Tensor | None
    """bool [M, L + T], false on the prompts' padding; None where there is none."""
    positions: Tensor
    """[M], of the next token."""
    cache: DynamicCache


class TransformersEngine:
    """Generates with the given model object itself, so that a trainer in the same process needs no weight transfer.

    Adapters in it are merged while it generates: its responses are those of the weights that will be saved.
    """

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
        broken = [name for name, tensor in state.items() if not tensor.isfinite().all()]
        if broken:
            raise ValueError(f"{len(broken)} weights are not finite, {broken[0]} first; the engine keeps those it had")
        own, adapted = base_state(self.model), adapted_weights(self.model)
        if any(own[name].data_ptr() != tensor.data_ptr() for name, tensor in state.items() if name not in adapted):
            assert not adapted, "a model in training gets its weights from its optimiser alone"
            self.model.load_state_dict(dict(state))

    def sleep(self) -> None:
        """Holds nothing between calls but the model, which the trainer shares."""

    def close(self) -> None:
        """Has started nothing."""

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, on_done: OnDone | None = None
    ) -> list[list[Completion]]:
        """Prompts of like length go together. on_done is called within `LOOK_EVERY` steps of a response's end."""
        with merged(self.model):
            return self._generate(prompts, sampling, on_done)

    def _generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, on_done: OnDone | None
    ) -> list[list[Completion]]:
        n = sampling.samples
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].token_ids))
        size = max(1, self.rows // n)
        found: dict[tuple[int, int], Completion] = {}
        for start in range(0, len(order), size):
            chosen = order[start : start + size]

            def tell(row: int, completion: Completion, chosen: Sequence[int] = chosen) -> None:
                place = chosen[row // n], row % n
                found[place] = completion
                if on_done:
                    on_done(*place, completion)

            self._generate_batch([prompts[i] for i in chosen], sampling, tell)
        return [[found[i, sample] for sample in range(n)] for i in range(len(prompts))]

    @torch.inference_mode()
    def _generate_batch(self, prompts: Sequence[Prompt], sampling: Sampling, tell: Tell) -> None:
        logits, rows = self._prefill(prompts, sampling)
        last = sampling.max_response_tokens - 1
        for step in range(last + 1):
            chosen, logps = choose(logits, rows.uniforms[step][rows.ids], sampling.temperature, sampling.top_p)
            rows.tokens[step, rows.ids] = chosen
            rows.logps[step, rows.ids] = logps
            if step == last or step % LOOK_EVERY == LOOK_EVERY - 1:
                kept = _collect(rows, step, step == last, self.eos, tell)
                if len(kept) == 0:
                    return
                chosen = _keep(rows, kept, chosen)
            logits = self._next(rows, chosen)

    def _next(self, rows: _Rows, chosen: Tensor) -> Tensor:
        """Feeds each row its token [M]; returns logits [M, V] of the one after."""
        length = rows.cache.get_seq_length() + 1
        out = self.model(
            input_ids=chosen.unsqueeze(-1),
            attention_mask=None if rows.mask is None else rows.mask[:, :length],
            position_ids=rows.positions.unsqueeze(-1),
            past_key_values=rows.cache,
            use_cache=True,
        )
        rows.positions += 1
        logits: Tensor = out.logits[:, -1]
        return logits

    def _prefill(self, prompts: Sequence[Prompt], sampling: Sampling) -> tuple[Tensor, _Rows]:
        """Next-token logits [N, V] and the rows, after one forward pass per prompt, left-padded, for its whole group."""
        n, steps, device = sampling.samples, sampling.max_response_tokens, self.model.device
        longest = max(len(p.token_ids) for p in prompts)
        padding = torch.tensor([longest - len(p.token_ids) for p in prompts])
        ids = torch.tensor([[self.pad_id] * (longest - len(p.token_ids)) + list(p.token_ids) for p in prompts])
        mask = (torch.arange(longest + steps) >= padding.unsqueeze(-1)).to(device)
        position_ids = (torch.arange(longest) - padding.unsqueeze(-1)).clamp(min=0)
        padded = bool(padding.any())
        cache = empty_cache(self.model.config)
        out = self.model(
            input_ids=ids.to(device),
            attention_mask=mask[:, :longest] if padded else None,
            position_ids=position_ids.to(device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache.batch_repeat_interleave(n)
        total = len(prompts) * n
        rows = _Rows(
            ids=torch.arange(total, device=device),
            uniforms=draw_uniforms(prompts, sampling).to(device),
            tokens=torch.empty((steps, total), dtype=torch.long, device=device),
            logps=torch.empty((steps, total), device=device),
            mask=mask.repeat_interleave(n, 0) if padded else None,
            positions=(longest - padding).to(device).repeat_interleave(n),
            cache=cache,
        )
        return out.logits[:, -1].repeat_interleave(n, 0), rows


def _collect(rows: _Rows, step: int, last: bool, eos: Tensor, tell: Tell) -> Tensor:
    """Tells of every response that ended since the look before. Returns the places [K] of those that go on, all moved
    to the front: what a place loses, one from the end takes."""
    since = step - step % LOOK_EVERY
    ends = torch.isin(rows.tokens[since : step + 1, rows.ids], eos)
    stopped = ends.any(0)
    over = torch.ones_like(stopped) if last else stopped
    places = over.nonzero().squeeze(-1)
    if len(places) == 0:
        return torch.arange(len(rows.ids), device=eos.device)
    ended = rows.ids[places]
    lengths = torch.where(stopped, since + ends.int().argmax(0) + 1, step + 1)[places].tolist()
    columns = zip(
        ended.tolist(),
        lengths,
        stopped[places].tolist(),
        rows.tokens[: step + 1, ended].T.tolist(),
        rows.logps[: step + 1, ended].T.tolist(),
        strict=True,
    )
    for row, length, by_eos, tokens, logps in columns:
        tell(row, Completion(tuple(tokens[:length]), tuple(logps[:length]), "stop" if by_eos else "length"))
    going = (~over).nonzero().squeeze(-1)
    kept = torch.arange(len(going), device=eos.device)
    kept[places[places < len(going)]] = going[going >= len(going)]
    return kept


def _keep(rows: _Rows, kept: Tensor, chosen: Tensor) -> Tensor:
    """Place i becomes what place kept[i] was, in `rows` and in the tokens [M] that were just chosen, which are returned [K]."""
    if len(kept) == len(chosen):
        return chosen
    rows.cache.batch_select_indices(kept)
    rows.ids, rows.positions = rows.ids[kept], rows.positions[kept]
    if rows.mask is not None:
        rows.mask = rows.mask[kept]
    return chosen[kept]
