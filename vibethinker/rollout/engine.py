"""What a rollout engine does, whichever it is."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from vibethinker.records import FinishReason

OnDone = Callable[[int, int, "Completion"], None]
"""(index of the prompt, index among its n, response): called from the caller's thread as responses end, in any order."""


@dataclass(frozen=True)
class Sampling:
    """How to sample; while training top_p is 1 (promise 8)."""

    samples: int
    """Responses per prompt, n."""
    max_response_tokens: int
    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    seed: int = 0
    """Each response's own seed is derived from this, its prompt's key and its index among the n."""
    first: int = 0
    """Index of the first of the n: a group may be sampled in parts."""


@dataclass(frozen=True)
class Completion:
    """One sampled response."""

    token_ids: tuple[int, ...]
    """Response tokens, the end-of-sequence token included where it was produced."""
    logps: tuple[float, ...]
    """Log-probability of each under the sampling temperature, before top_p."""
    finish_reason: FinishReason


@dataclass(frozen=True)
class Prompt:
    """A tokenised prompt; the key (a problem's id) makes its samples independent of the batch it is in."""

    key: str
    token_ids: tuple[int, ...]


class Engine(Protocol):
    """Generates from a model's current weights."""

    rows: int
    """Sequences decoded together, an upper bound; callers need not give more at once."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What of the engine may change a response: its name and its libraries' versions."""
        ...

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, on_done: OnDone | None = None
    ) -> list[list[Completion]]:
        """n completions for each prompt, in the prompts' order."""
        ...

    def update_weights(self, state: Mapping[str, Tensor]) -> None:
        """From now on generate from these weights: a whole state dict, tied tensors under each of their names.

        Raises ValueError where a weight is not finite; the engine then keeps those it had.
        """
        ...

    def sleep(self) -> None:
        """Gives the device's memory back until weights are updated or something is generated."""
        ...

    def close(self) -> None:
        """Ends what the engine started."""
        ...


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from any parts; the same on every machine."""
    text = "\x1f".join(str(p) for p in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
