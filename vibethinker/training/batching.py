"""From sequences to micro-batches within a token budget: right-padded with little padding, or packed with none."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from vibethinker.data.packing import pack
from vibethinker.training.documents import Document
from vibethinker.training.parallel import world

MAX_PADDING = 0.1
"""Padding stays under this share of the tokens of a step."""


@dataclass(frozen=True)
class TokenSequence:
    """One sequence to train on."""

    prompt: tuple[int, ...]
    response: tuple[int, ...]
    weight: float = 1.0
    """The weighted advantage A'."""
    engine_logps: tuple[float, ...] = ()
    """What the rollout engine gave each response token; empty where that is not known."""


@dataclass(frozen=True)
class Batch:
    """Right-padded: N sequences of at most L tokens. Packed: one row of L tokens (N = 1), documents one after the other."""

    input_ids: Tensor
    """[N, L]"""
    attention_mask: Tensor
    """[N, L], 1 on tokens, 0 on padding."""
    response_mask: Tensor
    """bool [N, L], response tokens: the ones with a loss."""
    weights: Tensor
    """[N]"""
    engine_logps: Tensor
    """[N, L], 0 where there is none."""
    old_logps: Tensor
    """[N, L], the trainer's own before the first update of a rollout batch that has several; 0 elsewhere."""
    documents: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    """[n], lengths of a packed row's documents, on the CPU; empty where rows are padded."""


def group_by_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in groups of similar length, longest first: what does not fit into memory shows in the first.

    A group has at most `budget` padded tokens (a longer sequence is a group of its own), and of all padded tokens under
    MAX_PADDING are padding. Within that the groups are few and large, because a small model spends its time between
    kernels: each may have the same number of padding tokens, the largest found that keeps the whole under the bound, and
    then the smallest that makes no more groups.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    tokens = sum(lengths)

    def groups(padding: int) -> list[list[int]]:
        return _groups(lengths, order, budget, padding)

    def share(padding: int) -> float:
        padded = sum(len(group) * lengths[group[0]] for group in groups(padding))
        return (padded - tokens) / padded

    most = bisect_left(range(1, tokens), True, key=lambda padding: share(padding) >= MAX_PADDING)  # 0 is always right
    least = bisect_left(range(most), -len(groups(most)), key=lambda padding: -len(groups(padding)))
    return groups(min(least, most, key=share)) if lengths else []


def _groups(lengths: Sequence[int], order: Sequence[int], budget: int, padding: int) -> list[list[int]]:
    """The fewest groups of neighbours in `order` (longest first) with at most `padding` padding tokens each."""
    groups: list[list[int]] = []
    longest = left = 0
    for index in order:
        left -= longest - lengths[index]
        if groups and left >= 0 and (len(groups[-1]) + 1) * longest <= budget:
            groups[-1].append(index)
        else:
            groups.append([index])
            longest, left = lengths[index], padding
    return groups


def pad(sequences: Sequence[TokenSequence], pad_id: int, device: str) -> Batch:
    """Prompt and response one after the other, padded on the right."""
    prompts = torch.tensor([len(s.prompt) for s in sequences]).unsqueeze(-1)
    ends = torch.tensor([len(s.prompt) + len(s.response) for s in sequences]).unsqueeze(-1)
    positions = torch.arange(int(ends.max()))
    tokens = positions < ends
    response_mask = tokens & (positions >= prompts)
    input_ids = torch.full(tokens.shape, pad_id)
    ids = np.fromiter(chain.from_iterable(s.prompt + s.response for s in sequences), np.int64)
    input_ids[tokens] = torch.from_numpy(ids)
    weights = torch.tensor([s.weight for s in sequences])
    engine_logps = _engine_logps(sequences, response_mask)
    tensors = (input_ids, tokens.long(), response_mask, weights, engine_logps, torch.zeros_like(engine_logps))
    return Batch(*(t.to(device) for t in tensors))


def _engine_logps(sequences: Sequence[TokenSequence], response_mask: Tensor) -> Tensor:
    """[N, L]; 0 outside the responses and for sequences that have none."""
    spread = torch.zeros(response_mask.shape)
    if any(s.engine_logps for s in sequences):
        values = chain.from_iterable(s.engine_logps or (0.0,) * len(s.response) for s in sequences)
        spread[response_mask] = torch.from_numpy(np.fromiter(values, np.float32))
    return spread


def micro_batches(sequences: Sequence[TokenSequence], budget: int, pad_id: int, device: str) -> list[Batch]:
    """All sequences, longest first, in batches as `group_by_length` has them; small enough that every process gets some."""
    lengths = [len(s.prompt) + len(s.response) for s in sequences]
    groups = group_by_length(lengths, _for_all(lengths, budget))
    return [pad([sequences[i] for i in group], pad_id, device) for group in groups]


def packed_batches(documents: Sequence[Document], budget: int, device: str) -> list[Batch]:
    """All documents, one row a micro-batch, in packs as `pack` has them; small enough that every process gets some."""
    lengths = [len(d.token_ids) for d in documents]
    return [pack_row([documents[i] for i in own], device) for own in pack(lengths, _for_all(lengths, budget))]


def pack_row(documents: Sequence[Document], device: str) -> Batch:
    """One row without padding, documents in their order."""
    ids = np.fromiter(chain.from_iterable(d.token_ids for d in documents), np.int64)
    learnt = np.fromiter(chain.from_iterable(d.learnt for d in documents), np.bool_)
    input_ids, mask = (torch.from_numpy(row).unsqueeze(0).to(device) for row in (ids, learnt))
    nothing = torch.zeros(input_ids.shape, device=device)
    weights, lengths = torch.ones(1, device=device), torch.tensor([len(d.token_ids) for d in documents])
    return Batch(input_ids, torch.ones_like(input_ids), mask, weights, nothing, nothing.clone(), lengths)


def _for_all(lengths: Sequence[int], budget: int) -> int:
    """The budget, or less where it would leave a process without work."""
    return min(budget, math.ceil(sum(lengths) / world().count)) if world().count > 1 else budget


def padding_share(batches: Sequence[Batch]) -> float:
    """Which part of all tokens is padding; 0 without batches."""
    if not batches:
        return 0.0
    padded = sum(b.input_ids.numel() for b in batches)
    return (padded - sum(int(b.attention_mask.sum()) for b in batches)) / padded


def share_out(batches: Sequence[Batch], processes: int) -> list[list[int]]:
    """Indices of the batches that each process takes, even by padded tokens: the largest left goes to who has least.

    Every process's own are in the order given; one may have none.
    """
    shares: list[list[int]] = [[] for _ in range(processes)]
    loads = [0] * processes
    sizes = [b.input_ids.numel() for b in batches]
    for index in sorted(range(len(batches)), key=lambda i: -sizes[i]):
        least = loads.index(min(loads))
        shares[least].append(index)
        loads[least] += sizes[index]
    return [sorted(share) for share in shares]
