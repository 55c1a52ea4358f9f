"""Supervised fine-tuning: token-mean cross-entropy on the responses."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from vibethinker.models.logprobs import token_logprobs
from vibethinker.training.batching import Batch, TokenSequence, micro_batches
from vibethinker.training.documents import Document


def count_steps(rows: int, batch_size: int, epochs: float, max_steps: int) -> int:
    """Optimiser steps of `epochs` passes, at most max_steps (0: no bound), at least 1."""
    steps = max(1, math.ceil(rows * epochs / batch_size))
    return min(steps, max_steps) if max_steps else steps


@lru_cache(maxsize=4)
def epoch_order(rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The permutation [rows] of one pass."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


class SftObjective:
    """Each epoch is a fresh permutation from (seed, epoch); a batch may span two."""

    def __init__(
        self,
        model: PreTrainedModel,
        rows: Sequence[Document],
        batch_size: int,
        tokens_per_micro_batch: int,
        pad_id: int,
        seed: int,
    ) -> None:
        self.model = model
        self.rows = rows
        self.batch_size = batch_size
        self.budget = tokens_per_micro_batch
        self.pad_id = pad_id
        self.seed = seed
        self._response_tokens = 1

    def batches(self, step: int) -> list[Batch]:
        chosen = [self._row(i) for i in range(step * self.batch_size, (step + 1) * self.batch_size)]
        self._response_tokens = sum(len(s.response) for s in chosen)
        return micro_batches(chosen, self.budget, self.pad_id, str(self.model.device))

    def _row(self, index: int) -> TokenSequence:
        epoch, position = divmod(index, len(self.rows))
        row = self.rows[int(epoch_order(len(self.rows), self.seed, epoch)[position])]
        first = row.learnt.index(True)
        return TokenSequence(row.token_ids[:first], row.token_ids[first:])

    def loss(self, batch: Batch) -> Tensor:
        logps, _ = token_logprobs(self.model, batch.input_ids, batch.response_mask, entropy=False)
        return -logps.sum() / self._response_tokens

    def metrics(self) -> dict[str, float]:
        return {"response_tokens": float(self._response_tokens)}
