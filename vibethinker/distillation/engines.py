"""Text engines for teachers: an endpoint that may refuse a few requests, and one that has said all it will say."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from vibethinker.config.endpoint import EndpointSettings
from vibethinker.errors import EndpointFailed
from vibethinker.rollout.endpoint import EndpointEngine, RequestRefused
from vibethinker.rollout.text import Batches, Request, Text, TextSampling

REFUSED_AT_ONCE, REFUSED_SHARE = 8, 0.05
"""More refusals than this number and this share of the answers together say that the settings are wrong, not the requests."""


@dataclass
class EndpointTeacher:
    """An endpoint of which some requests may be refused: a content filter must not end the work on all others.

    A refused request gives no response. A stage that is started again asks it again, unless the teacher had answered all the
    others: then `Finished` stands here.
    """

    settings: EndpointSettings
    refused: int = field(default=0, init=False)
    answered: int = field(default=0, init=False)

    @property
    def identity(self) -> Mapping[str, str]:
        """The endpoint's. Raises EndpointFailed where it is away."""
        return EndpointEngine(self.settings).identity

    def generate(self, requests: Sequence[Request], sampling: TextSampling) -> Batches:
        """As `TextEngine` says, without those that are refused. Raises EndpointFailed where it is away, or refuses too many."""
        with closing(EndpointEngine(self.settings).attempt(requests, sampling)) as batches:
            for batch in batches:
                ready = [(index, outcome) for index, outcome in batch if isinstance(outcome, Text)]
                self.answered += len(ready)
                if ready or not batch:
                    yield ready
                for _, outcome in batch:
                    if isinstance(outcome, EndpointFailed):
                        self._forgive(outcome)

    def _forgive(self, failure: EndpointFailed) -> None:
        self.refused += isinstance(failure, RequestRefused)
        allowed = REFUSED_AT_ONCE + REFUSED_SHARE * self.answered
        if not isinstance(failure, RequestRefused) or self.refused > allowed:
            raise failure


@dataclass(frozen=True)
class Finished:
    """In the place of a teacher that has answered all: only its identity is needed, to find what it said."""

    identity: Mapping[str, str]

    def generate(self, requests: Sequence[Request], sampling: TextSampling) -> Batches:
        """Nothing: what is missing was refused."""
        yield from ()
