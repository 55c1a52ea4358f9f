"""From sequences to right-padded micro-batches within a token budget."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TokenSequence:
    """One sequence to train on."""

    prompt: tuple[int, ...]
    response: tuple[int, ...]
    weight: float = 1.0
    """SFT: 1. MGPO: the weighted advantage A'."""
    engine_logps: tuple[float, ...] = ()
    """MGPO: what the rollout engine gave each response token; empty elsewhere."""


@dataclass(frozen=True)
class Batch:
    """Right-padded; N sequences of at most L tokens."""

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


def group_by_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in groups of similar length, each of at most `budget` padded tokens (a longer sequence is a group of its own)."""
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if groups and (len(groups[-1]) + 1) * lengths[index] <= budget:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def pad(sequences: Sequence[TokenSequence], pad_id: int, device: str) -> Batch:
    """Prompt and response one after the other, padded on the right."""
    longest = max(len(s.prompt) + len(s.response) for s in sequences)
    input_ids = torch.full((len(sequences), longest), pad_id)
    attention_mask = torch.zeros((len(sequences), longest), dtype=torch.long)
    response_mask = torch.zeros((len(sequences), longest), dtype=torch.bool)
    engine_logps = torch.zeros((len(sequences), longest))
    for row, s in enumerate(sequences):
        whole = len(s.prompt) + len(s.response)
        input_ids[row, :whole] = torch.tensor(s.prompt + s.response)
        attention_mask[row, :whole] = 1
        response_mask[row, len(s.prompt) : whole] = True
        if s.engine_logps:
            engine_logps[row, len(s.prompt) : whole] = torch.tensor(s.engine_logps)
    weights = torch.tensor([s.weight for s in sequences])
    tensors = (input_ids, attention_mask, response_mask, weights, engine_logps)
    return Batch(*(t.to(device) for t in tensors))


def micro_batches(sequences: Sequence[TokenSequence], budget: int, pad_id: int, device: str) -> list[Batch]:
    """All sequences, longest last, in batches of at most `budget` padded tokens."""
    groups = group_by_length([len(s.prompt) + len(s.response) for s in sequences], budget)
    return [pad([sequences[i] for i in group], pad_id, device) for group in groups]
