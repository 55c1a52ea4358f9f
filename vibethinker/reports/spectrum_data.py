"""What the report shows of a round's fusion, and of where its traces and probing problems come from."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from vibethinker.algorithms.statistics import Interval


@dataclass(frozen=True)
class Candidate:
    """A weighting that was tried."""

    weights: dict[str, float]
    """Domain -> weight, sum 1."""
    pass_at_k: float
    """Mean over domains, on the searched part of the probing sets."""


@dataclass(frozen=True)
class HeldOut:
    """What the search bought, on the part of the probing sets that was not searched."""

    problems: int
    uniform: Interval
    chosen: Interval
    difference: Interval
    """Chosen minus uniform, question by question."""

    @property
    def verdict(self) -> Literal["better", "worse", "nothing shown"]:
        """Whether the interval of the difference leaves out 0."""
        return "better" if self.difference.low > 0 else "worse" if self.difference.high < 0 else "nothing shown"


@dataclass(frozen=True)
class Search:
    """Weights searched on the probing sets."""

    k: int
    candidates: tuple[Candidate, ...]
    """The first is the uniform one."""
    chosen: int
    held_out: HeldOut | None


@dataclass(frozen=True)
class Fusion:
    """How one round's experts were averaged."""

    node: str
    weights: dict[str, float]
    """Domain -> weight."""
    search: Search | None = None


class Charged(Protocol):
    """What a node cost besides device time."""

    @property
    def node(self) -> str:
        """Who asked."""

    @property
    def dollars(self) -> float:
        """What endpoints charged."""


@dataclass(frozen=True)
class Teacher:
    """What one teacher gave."""

    name: str
    problems: int
    traces: int
    verified: int
    kept: int
    truncated: int
    prompt_tokens: int
    response_tokens: int
    seconds: float
    dollars: float


@dataclass(frozen=True)
class Bucket:
    """Traces of one domain and like length, and which learning potentials were kept."""

    domain: str
    low_tokens: int
    high_tokens: int
    traces: int
    kept: int
    low: float | None
    """Learning potential of the kept ones, nats a token: from; None where none was kept."""
    high: float | None
    """To."""


@dataclass(frozen=True)
class Distilled:
    """Traces that models wrote."""

    node: str
    problems: int
    teachers: tuple[Teacher, ...]
    pseudo_labelled: int
    """Problems without a gold answer that got the majority's."""
    unlabelled: int
    """Problems without a gold answer where no majority was found."""
    contaminated: int
    """Traces that share an n-gram with a benchmark question."""
    domains: dict[str, dict[str, int]] = field(default_factory=dict)
    """Domain -> problems, traces, kept."""
    buckets: tuple[Bucket, ...] = ()
    reasons: dict[str, int] = field(default_factory=dict)
    """Why a trace was not kept -> traces."""

    @property
    def dollars(self) -> float:
        """What endpoints charged."""
        return sum(t.dollars for t in self.teachers)


@dataclass(frozen=True)
class HardSubset:
    """Problems that a reference model mostly fails, and which of their traces are long enough."""

    node: str
    reference: str
    problems: int
    hard: int
    long: int
    kept: int
    domains: dict[str, dict[str, int]]
    """Domain -> problems, hard, kept."""


@dataclass(frozen=True)
class ProbingSets:
    """Probing problems that a language model wrote."""

    node: str
    written: int
    rejected: dict[str, int]
    """Reason -> problems."""
    kept: int
    domains: dict[str, int]
    """Domain -> kept."""
    requests: int
    prompt_tokens: int
    response_tokens: int
    dollars: float
