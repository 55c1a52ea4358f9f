"""Supervised fine-tuning: token-mean cross-entropy on the responses."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from vibethinker.errors import DataError
from vibethinker.models.chat import check_template, encode_prompt, encode_responses
from vibethinker.models.logprobs import token_logprobs
from vibethinker.records import Problem
from vibethinker.training.batching import Batch, TokenSequence, micro_batches


def tokenise(
    problems: Sequence[Problem],
    tokenizer: PreTrainedTokenizerBase,
    templates: Mapping[str, str],
    system_prompt: str,
    max_length: int,
) -> tuple[list[TokenSequence], int]:
    """One sequence per trace, and how many were left out for being longer than max_length.

    Raises DataError where nothing is left, or where the chat template does not fit.
    """
    with_traces = [p for p in problems if p.traces]
    if with_traces:
        check_template(tokenizer, with_traces[0], system_prompt)
    traces = iter(encode_responses(tokenizer, [t for p in with_traces for t in p.traces]))
    sequences, too_long = [], 0
    for problem in with_traces:
        prompt = encode_prompt(tokenizer, problem, templates, system_prompt)
        for _ in problem.traces:
            sequence = TokenSequence(prompt, next(traces))
            if len(sequence.prompt) + len(sequence.response) > max_length:
                too_long += 1
            else:
                sequences.append(sequence)
    if not sequences:
        raise DataError(
            f"no trace to train on: {len(problems)} problems, {too_long} traces longer than max_length {max_length}"
        )
    return sequences, too_long


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
        rows: Sequence[TokenSequence],
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
        return self.rows[int(epoch_order(len(self.rows), self.seed, epoch)[position])]

    def loss(self, batch: Batch) -> Tensor:
        logps, _ = token_logprobs(self.model, batch.input_ids, batch.response_mask, entropy=False)
        return -logps.sum() / self._response_tokens

    def metrics(self) -> dict[str, float]:
        return {"response_tokens": float(self._response_tokens)}
