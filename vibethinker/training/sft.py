"""Supervised fine-tuning: token-mean cross-entropy on what documents learn, packed without padding."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from vibethinker.data.packing import pack
from vibethinker.models.logprobs import token_logprobs
from vibethinker.models.packed import check_packing, check_window, is_packed, packed_row
from vibethinker.models.precision import forward_type
from vibethinker.training.batching import Batch, pack_row, packed_batches
from vibethinker.training.documents import Document


def count_steps(units: int, batch_size: int, epochs: float, max_steps: int) -> int:
    """Optimiser steps of `epochs` passes over so many units, at most max_steps (0: no bound), at least 1."""
    steps = max(1, math.ceil(units * epochs / batch_size))
    return min(steps, max_steps) if max_steps else steps


@lru_cache(maxsize=4)
def epoch_order(units: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The permutation [units] of one pass."""
    return np.random.default_rng([seed, epoch]).permutation(units)


class SftObjective:
    """Each epoch is a fresh permutation of the units from (seed, epoch); a batch may span two.

    The loss of a step is the mean over all its learnt tokens, however they are cut into micro-batches and processes.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        documents: Sequence[Document],
        batch_size: int,
        tokens_per_micro_batch: int,
        seed: int,
        pack_length: int = 0,
    ) -> None:
        """batch_size: units a step; pack_length: 0 where a unit is a document, else packs of up to so many tokens, made once.

        Raises ConfigError where the model can't take packed documents, or not such long ones.
        """
        check_packing(model)
        check_window(model, max(len(d.token_ids) for d in documents))
        self.model = model
        self.documents = documents
        self.batch_size = batch_size
        self.budget = tokens_per_micro_batch
        self.seed = seed
        self._units = in_units(documents, pack_length)
        self._learnt_tokens = 1

    @property
    def units(self) -> int:
        """How many there are: documents or packs."""
        return len(self._units)

    def batches(self, step: int) -> list[Batch]:
        units = range(step * self.batch_size, (step + 1) * self.batch_size)
        chosen = [document for unit in units for document in self._unit(unit)]
        self._learnt_tokens = sum(sum(d.learnt) for d in chosen)
        return packed_batches(chosen, self.budget, str(self.model.device))

    def _unit(self, index: int) -> list[Document]:
        epoch, position = divmod(index, self.units)
        unit = self._units[int(epoch_order(self.units, self.seed, epoch)[position])]
        return [self.documents[i] for i in unit]

    def loss(self, batch: Batch) -> Tensor:
        assert is_packed(self.model), "documents in one row would attend to one another"
        logps, _ = token_logprobs(self.model, batch.input_ids, batch.response_mask, entropy=False)
        return -logps.sum() / self._learnt_tokens

    def metrics(self) -> dict[str, float]:
        return {"response_tokens": float(self._learnt_tokens)}


def in_units(documents: Sequence[Document], pack_length: int) -> list[list[int]]:
    """Indices of the documents in each unit of a batch: one, or those of a pack of up to pack_length tokens (0: one)."""
    if not pack_length:
        return [[i] for i in range(len(documents))]
    return pack([len(d.token_ids) for d in documents], pack_length)


@torch.no_grad()
def document_losses(
    model: PreTrainedModel, documents: Sequence[Document], tokens_per_micro_batch: int, precision: str
) -> list[float]:
    """Mean negative log-probability over the learnt tokens of each document, in their order, in nats; no gradient.

    Raises ConfigError where the model can't take packed documents.
    """
    check_packing(model)
    check_window(model, max((len(d.token_ids) for d in documents), default=0))
    losses = [0.0] * len(documents)
    for own in pack([len(d.token_ids) for d in documents], tokens_per_micro_batch):
        batch = pack_row([documents[i] for i in own], str(model.device))
        lengths = batch.documents.tolist()
        with packed_row(model, lengths), forward_type(model, precision):
            logps, _ = token_logprobs(model, batch.input_ids, batch.response_mask, entropy=False)
        found = zip(logps[0].split(lengths), batch.response_mask[0].split(lengths), strict=True)
        means = torch.stack([-part.sum() / mask.sum() for part, mask in found])
        for i, loss in zip(own, means.tolist(), strict=True):
            losses[i] = loss
    return losses
