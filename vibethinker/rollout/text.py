"""Text in, text out: what evaluation asks of a local engine and of an OpenAI-compatible endpoint alike."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from vibethinker.records import FinishReason


@dataclass(frozen=True)
class Request:
    """One response that is wanted; (key, sample) gives it its own seed."""

    key: str
    """A problem's id, or whatever names the conversation."""
    sample: int
    """Index among the key's responses, from 0."""
    messages: tuple[tuple[str, str], ...]
    """(role, content), the last one the user's."""


@dataclass(frozen=True)
class TextSampling:
    """How to sample."""

    max_response_tokens: int
    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Text:
    """One response."""

    text: str
    tokens: int
    """Its length, end-of-sequence included where it was produced."""
    finish_reason: FinishReason
    prompt_tokens: int = 0
    """Length of the prompt as the model saw it; 0 where nothing tells it."""


Batches = Generator[list[tuple[int, Text]], None, None]
"""(index into the requests, response), as they become ready; closed early, it leaves nothing under way."""


class TextEngine(Protocol):
    """Responses come as they are ready, so that grading goes on while others are still being generated."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What of the engine may change a response: its name, its libraries' versions, the model it serves."""
        ...

    def generate(self, requests: Sequence[Request], sampling: TextSampling) -> Batches:
        """What became ready together, as (index into `requests`, response): each index once, in any order.

        A list is kept whole or not at all, so that a run that was cut off goes on with the same batches.
        """
        ...
