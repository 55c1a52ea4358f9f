"""A local engine that is not asked what does not fit it: one long prompt must not end the work on all others."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from vibethinker.models.chat import Messages, encode_conversation
from vibethinker.rollout.text import Batches, Request, TextEngine, TextSampling


def fitting(
    tokenizer: PreTrainedTokenizerBase, conversations: Collection[Messages], max_response_tokens: int, longest: int
) -> set[Messages]:
    """Those to which the longest response leaves the whole within `longest` tokens."""
    allowed = longest - max_response_tokens
    return {c for c in set(conversations) if len(encode_conversation(tokenizer, c)) <= allowed}


@dataclass(frozen=True)
class FittingEngine:
    """Gives no response to a request whose prompt is too long; the others' are the engine's own."""

    engine: TextEngine
    tokenizer: PreTrainedTokenizerBase
    longest: int
    """Tokens of a prompt and its response together, at most."""

    @property
    def identity(self) -> Mapping[str, str]:
        """The engine's own."""
        return self.engine.identity

    def generate(self, requests: Sequence[Request], sampling: TextSampling) -> Batches:
        """As `TextEngine` says, without those that do not fit."""
        asked = [r.messages for r in requests]
        fit = fitting(self.tokenizer, asked, sampling.max_response_tokens, self.longest)
        kept = [index for index, messages in enumerate(asked) if messages in fit]
        if kept:
            with closing(self.engine.generate([requests[i] for i in kept], sampling)) as batches:
                for batch in batches:
                    yield [(kept[place], text) for place, text in batch]
