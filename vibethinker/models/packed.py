"""Documents one after the other in one row: no padding in the linear layers, and no attention from one to another.

transformers' own way, a mask of the row against itself, costs the square of the row. Here the attention is given the
documents as right-padded groups of similar length: causal attention never looks at padding on the right, so that no
mask is needed and each document pays for its own square only, with torch's fused kernels on a CPU as on a GPU.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from vibethinker.errors import ConfigError
from vibethinker.models.logprobs import PROBE_GAP, PROBE_GAP_ELSEWHERE, token_logprobs

NAME = "vibethinker_packed"
"""The attention's name in transformers' registry."""
ALONE = 512
"""A document of so many tokens is a group of its own: it needs no padding, and no copy."""
SLACK = 16
"""Padding that a shorter document may always get to share a group: a kernel's start costs more."""
PROBE = (7, 3, 5)
"""Lengths of the documents that a model is checked with."""


@dataclass(frozen=True)
class Group:
    """Neighbouring documents of a row, [n, L] with their padding."""

    documents: int
    longest: int
    spread: Tensor | None
    """[n L], from which of the group's tokens each place is filled; None where there is no padding."""
    back: Tensor | None
    """[tokens], in which place each token is."""


@dataclass(frozen=True)
class Layout:
    """Where the documents of a row are."""

    positions: Tensor
    """[1, T], from 0 in each document."""
    groups: tuple[Group, ...]
    tokens: tuple[int, ...]
    """Of each group; their sum is T."""


def lay_out(lengths: Sequence[int], device: torch.device) -> Layout:
    """The layout of documents of these lengths, in their order; few groups where neighbours are of similar length."""
    groups, tokens = [], []
    for part in _neighbours(lengths):
        groups.append(_group(part, device))
        tokens.append(sum(part))
    positions = torch.cat([torch.arange(n, device=device) for n in lengths]).unsqueeze(0)
    return Layout(positions, tuple(groups), tuple(tokens))


def _neighbours(lengths: Sequence[int]) -> list[list[int]]:
    """Lengths in groups: of equal ones, or of shorter ones that need little padding."""
    parts: list[list[int]] = []
    for length in lengths:
        longest = parts[-1][0] if parts else 0
        room = 0 if longest >= ALONE else max(SLACK, longest // 8)
        if 0 <= longest - length <= room:
            parts[-1].append(length)
        else:
            parts.append([length])
    return parts


def _group(lengths: Sequence[int], device: torch.device) -> Group:
    longest, tokens = lengths[0], sum(lengths)
    if tokens == len(lengths) * longest:
        return Group(len(lengths), longest, None, None)
    ends = torch.tensor(lengths, device=device).unsqueeze(-1)
    places = torch.arange(longest, device=device).expand(len(lengths), longest)
    starts = ends.cumsum(0) - ends
    spread = starts + torch.minimum(places, ends - 1)  # padding repeats the last token: any number will do, but nan
    return Group(len(lengths), longest, spread.reshape(-1), (places < ends).reshape(-1).nonzero().squeeze(-1))


@contextmanager
def packed_row(model: PreTrainedModel, lengths: Sequence[int]) -> Iterator[None]:
    """Within it, the model takes a row [1, T] for documents of these lengths; with none, any rows as they are.

    The backward pass belongs into it too, where layers are computed again there. Raises ConfigError in the forward pass
    where the model's attention is of another kind.
    """
    if not lengths:
        yield
        return
    base, config = model.base_model, _config(model)
    layout = lay_out(lengths, model.device)

    def with_layout(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, kwargs | {"position_ids": layout.positions, "layout": layout}

    own, config._attn_implementation = config._attn_implementation, NAME
    hook = base.register_forward_pre_hook(with_layout, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()
        config._attn_implementation = own


def is_packed(model: PreTrainedModel) -> bool:
    """Whether it is within `packed_row`."""
    return bool(_config(model)._attn_implementation == NAME)


def _config(model: PreTrainedModel) -> Any:
    """Where the attention layers look for what they are."""
    return model.base_model.config


def check_packing(model: PreTrainedModel) -> None:
    """Raises ConfigError where documents in one row don't get the log-probabilities that each has alone."""
    ids = torch.arange(1, sum(PROBE) + 1, device=model.device).unsqueeze(0)
    ids = ids.remainder(int(model.config.get_text_config().vocab_size))
    mask = torch.cat([torch.arange(n, device=model.device) > 0 for n in PROBE]).unsqueeze(0)
    with torch.no_grad():
        # Each really alone: a padded batch of them rounds otherwise, by 1e-3 nats in SmolLM2.
        apart = [
            token_logprobs(model, own, wanted, entropy=False)[0]
            for own, wanted in zip(ids.split(PROBE, dim=1), mask.split(PROBE, dim=1), strict=True)
        ]
        try:
            with packed_row(model, PROBE):
                together, _ = token_logprobs(model, ids, mask, entropy=False)
        except ConfigError:
            raise
        except (TypeError, ValueError, RuntimeError) as error:
            raise _unfit(model, f"can't run documents in one row ({error})") from error
    gap = (together - torch.cat(apart, dim=1)).abs().max().item()
    if not gap <= PROBE_GAP.get(model.dtype, PROBE_GAP_ELSEWHERE):
        raise _unfit(model, f"gives documents in one row log-probabilities that are {gap:.3g} nats off")


def check_window(model: PreTrainedModel, longest: int) -> None:
    """Raises ConfigError where a document of so many tokens is longer than the model's sliding window."""
    window = getattr(model.config.get_text_config(), "sliding_window", None)
    if window is not None and longest > window:
        raise ConfigError(
            f"sft.max_length: a document has {longest} tokens, but the model attends to the last {window} only; set it to at "
            f"most {window}"
        )


def _unfit(model: PreTrainedModel, what: str) -> ConfigError:
    return ConfigError(
        f"base.source: {type(model).__name__} {what}; SFT packs its documents, take a model with causal attention alone "
        "(e.g. of the Qwen2, Qwen3 or Llama family)"
    )


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    layout: Layout | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """query: [1, H, T, D], key and value: [1, H / groups, T, D]. Returns [1, T, H, D], and no attention weights."""
    extra = [name for name in ("softcap", "s_aux", "position_bias") if others.get(name) is not None]
    if layout is None or extra or attention_mask is not None or not getattr(module, "is_causal", True):
        raise ConfigError(
            f"base.source: {type(module).__name__} is no plain causal attention ({', '.join(extra) or 'its own mask'}); "
            "SFT packs its documents, take a model of another family"
        )
    parts = [x.squeeze(0).transpose(0, 1).split(layout.tokens) for x in (query, key, value)]
    shared = query.shape[1] != key.shape[1]
    found = []
    for group, *own in zip(layout.groups, *parts, strict=True):
        q, k, v = (_spread(x, group) for x in own)
        out = scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=shared)
        found.append(_gather(out.transpose(1, 2).flatten(0, 1), group))
    return torch.cat(found).unsqueeze(0), None


AttentionInterface.register(NAME, _attention)


def _spread(tokens: Tensor, group: Group) -> Tensor:
    """[n, H, L, D] from the group's tokens [t, H, D]."""
    if group.spread is not None:
        tokens = _Spread.apply(tokens, group.spread, group.back)  # type: ignore[no-untyped-call]
    places: Tensor = tokens.unflatten(0, (group.documents, group.longest)).transpose(1, 2)
    return places


def _gather(places: Tensor, group: Group) -> Tensor:
    """The group's tokens [t, H, D] from all its places [n L, H, D]."""
    return places if group.back is None else places.index_select(0, group.back)


class _Spread(torch.autograd.Function):
    """Tokens into places. No place of padding gets a gradient: nothing looks at it, and its own output is dropped.

    So the backward pass reads where autograd's own would add up, token by token.
    """

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, spread: Tensor, back: Tensor) -> Tensor:
        """tokens: [t, H, D]. Returns [n L, H, D]."""
        ctx.save_for_backward(back)
        return tokens.index_select(0, spread)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """gradient: [n L, H, D]."""
        (back,) = ctx.saved_tensors
        return gradient.index_select(0, back), None, None
