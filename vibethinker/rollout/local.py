"""A model on this machine as a text engine: its tokenizer and chat template around a token engine."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from transformers import PreTrainedTokenizerBase

from vibethinker.models.chat import decode_responses, encode_conversation
from vibethinker.rollout.engine import Engine, Prompt, Sampling
from vibethinker.rollout.text import Batches, Request, Text, TextSampling

Group = tuple[Prompt, list[int]]
"""A prompt, and the indices of requests for consecutive samples of it."""


class LocalTextEngine:
    """Groups requests for one prompt, so that its key/value cache is computed once; prompts of like length go together."""

    def __init__(
        self, engine: Engine, tokenizer: PreTrainedTokenizerBase, rows: int, identity: Mapping[str, str]
    ) -> None:
        """rows: sequences decoded together, an upper bound."""
        self._engine, self._tokenizer, self._rows = engine, tokenizer, rows
        self.identity = identity

    def generate(self, requests: Sequence[Request], sampling: TextSampling) -> Batches:
        """One batch of the token engine after another."""
        for first, n, batch in self._batches(requests):
            how = Sampling(
                n, sampling.max_response_tokens, sampling.temperature, sampling.top_p, sampling.seed, first=first
            )
            groups = self._engine.generate([prompt for prompt, _ in batch], how)
            completions = [c for group in groups for c in group]
            asked = [(index, len(prompt.token_ids)) for prompt, group in batch for index in group]
            texts = decode_responses(self._tokenizer, [c.token_ids for c in completions])
            yield [
                (index, Text(text, len(c.token_ids), c.finish_reason, length))
                for (index, length), text, c in zip(asked, texts, completions, strict=True)
            ]

    def _batches(self, requests: Sequence[Request]) -> Iterator[tuple[int, int, list[Group]]]:
        """(first sample, samples, groups) of at most `rows` sequences; the token engine samples all alike."""

        def shape(group: Group) -> tuple[int, int, int]:
            prompt, indices = group
            return requests[indices[0]].sample, len(indices), len(prompt.token_ids)

        ordered = sorted(self._groups(requests), key=shape)
        for (first, n), alike in groupby(ordered, key=lambda group: shape(group)[:2]):
            groups, size = list(alike), max(1, self._rows // n)
            for start in range(0, len(groups), size):
                yield first, n, groups[start : start + size]

    def _groups(self, requests: Sequence[Request]) -> Iterator[Group]:
        """Runs of consecutive samples, as requests came; none longer than `rows`."""
        indices: list[int] = []
        for index, request in enumerate(requests):
            if indices and (len(indices) == self._rows or not _follows(requests[indices[-1]], request)):
                yield self._prompt(requests[indices[0]]), indices
                indices = []
            indices.append(index)
        if indices:
            yield self._prompt(requests[indices[0]]), indices

    def _prompt(self, request: Request) -> Prompt:
        return Prompt(request.key, encode_conversation(self._tokenizer, request.messages))


def _follows(before: Request, request: Request) -> bool:
    return (before.key, before.messages, before.sample + 1) == (request.key, request.messages, request.sample)
