"""What a report shows, as plain data. Anything a partial run lacks is None or empty."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import orjson

from vibethinker.algorithms.statistics import Interval
from vibethinker.reports.spectrum_data import Charged, Distilled, Fusion, HardSubset, ProbingSets

HypothesisVerdict = Literal["shown", "not shown", "opposite shown", "not measured"]


@dataclass(frozen=True)
class RunInfo:
    """Head of the report, from run.json."""

    id: str
    profile: str
    description: str
    status: str
    started: str
    finished: str | None
    mlflow_run: str | None
    settings: dict[str, Any]
    """The whole profile."""


@dataclass(frozen=True)
class Node:
    """One node of the recipe and what its output cost, over all attempts, whoever ran it."""

    name: str
    status: str
    """sealed (made by this run), reused, running, failed, pending."""
    path: str
    """Relative to the workspace."""
    fingerprint: str
    seconds: float
    """Device-seconds."""
    dollars: float
    attempts: int
    device: str
    stage: str = ""
    """Module of the stage, from its seal; empty where there is none yet."""
    tokens: int | None = None
    """What an expert was trained on: response tokens of all steps, as often as they were seen; None where nobody counted."""

    @property
    def reused(self) -> bool:
        """Whether an earlier run made it."""
        return self.status == "reused"


@dataclass(frozen=True)
class Probe:
    """Pass@K of a checkpoint on one domain's probing set; low and high belong to the largest K."""

    problems: int
    samples: int
    pass_at: dict[int, float]
    low: float
    high: float
    loss: float | None = None
    """Nats a token on the probing set's own traces, which are not trained on."""
    paths: float | None = None
    """Mean distinct correct solution paths a question."""


@dataclass(frozen=True)
class Checkpoint:
    """A point of an expert's trajectory; step 0 is the base model."""

    step: int
    loss: float | None
    tokens: int
    probes: dict[str, Probe]


@dataclass(frozen=True)
class Trajectory:
    """One SFT run."""

    node: str
    k: int
    checkpoints: tuple[Checkpoint, ...]


@dataclass(frozen=True)
class Choice:
    """The checkpoint selected as a domain's expert."""

    domain: str
    node: str
    step: int
    pass_at_1: float
    pass_at_k: float
    loss: float | None = None
    """Held-out, as in the probe."""


@dataclass(frozen=True)
class Count:
    """Samples of one question and how many were correct (`unknown` counts as wrong)."""

    samples: int
    correct: int


@dataclass(frozen=True)
class Score:
    """A model on one domain (or over all), as in scores.json."""

    problems: int
    samples: int
    pass_at_1: Interval
    pass_at_k: Interval
    truncated: float
    """Share of responses cut at the length limit."""
    unknown: float
    """Share of verdicts that our infrastructure failed to give."""
    mean_tokens: float
    distinct_paths: float | None = None
    """Mean distinct correct solution paths a question, among all its samples; None in older files."""
    paths_among: dict[int, float] = field(default_factory=dict)
    """m -> mean distinct paths among m correct responses, of questions with so many; fair to models that are seldom right."""


@dataclass(frozen=True)
class ModelScores:
    """One model on one set of questions."""

    model: str
    k: int
    sampling: dict[str, Any]
    digest: str
    domains: dict[str, Score]
    overall: Score | None
    counts: dict[str, dict[str, Count]]
    """Domain -> problem id -> counts; empty where samples.parquet is missing."""


@dataclass(frozen=True)
class Histogram:
    """A distribution at a step: len(edges) = len(counts) + 1."""

    step: int
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class ShownResponse:
    """A response that an MGPO stage showed while it worked."""

    step: int
    question: str
    response: str
    status: str
    extracted: str
    tokens: int | None
    finish_reason: str
    advantage: float | None
    """Weighted, A' = w_ME A; None where the run did not record it."""


@dataclass(frozen=True)
class Curves:
    """What one MGPO stage said of itself, over all its attempts."""

    node: str
    metrics: dict[str, list[tuple[int, float]]]
    """Name -> (step, value), steps ascending."""
    p_c: tuple[Histogram, ...] = ()
    lengths: tuple[Histogram, ...] = ()
    """Of the responses, in tokens."""
    responses: tuple[ShownResponse, ...] = ()
    """Those of a few steps."""


@dataclass(frozen=True)
class Measure:
    """One paired effect."""

    name: str
    effect: Interval


@dataclass(frozen=True)
class Hypothesis:
    """A claim made before the run, and what this run says about it."""

    name: str
    claim: str
    measures: tuple[Measure, ...]
    verdict: HypothesisVerdict
    sentence: str


@dataclass(frozen=True)
class DataCounts:
    """Rows, from the sealed files themselves."""

    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    """Source -> domain -> rows."""
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    """Split -> domain -> rows."""
    quarantine: dict[str, int] = field(default_factory=dict)
    """`source: reason` -> rows."""
    hits: int | None = None
    """Overlaps found by the n-gram rule."""
    dropped: int | None = None
    """Training rows dropped for them."""


@dataclass(frozen=True)
class Example:
    """A response, to be read by people."""

    model: str
    domain: str
    problem_id: str
    question: str
    gold: str
    response: str
    tokens: int
    finish_reason: str
    status: str
    extracted: str
    reason: str


@dataclass(frozen=True)
class Context:
    """Figures the papers report, beside ours on benchmarks of the same name. Percent; None where not reported."""

    columns: tuple[str, ...]
    ours: tuple[tuple[str, tuple[float | None, ...]], ...]
    theirs: tuple[tuple[str, tuple[float | None, ...]], ...]


@dataclass(frozen=True)
class ReportData:
    """Everything a report shows."""

    run: RunInfo
    nodes: tuple[Node, ...]
    counts: DataCounts
    trajectories: tuple[Trajectory, ...]
    selection_rule: str
    choices: tuple[Choice, ...]
    """Of all rounds."""
    fusions: tuple[Fusion, ...]
    """One a round."""
    distilled: tuple[Distilled, ...]
    hard: tuple[HardSubset, ...]
    probing: tuple[ProbingSets, ...]
    models: tuple[ModelScores, ...]
    """On the benchmark, in the recipe's order."""
    gates: tuple[ModelScores, ...]
    """On the promotion set."""
    curves: tuple[Curves, ...]
    hypotheses: tuple[Hypothesis, ...]
    promotion: dict[str, Any] | None
    examples: tuple[Example, ...]
    context: Context | None
    versions: dict[str, str]
    notes: tuple[str, ...]
    """What could not be read, for people."""

    def to_json(self) -> dict[str, Any]:
        """The same as dicts with string keys, lists and scalars."""
        return dict(orjson.loads(orjson.dumps(asdict(self), option=orjson.OPT_NON_STR_KEYS)))

    @property
    def domains(self) -> tuple[str, ...]:
        """The profile's domains, in its order, else those that were measured."""
        named = tuple(self.run.settings.get("domains", {}))
        return named or tuple(dict.fromkeys(d for m in self.models for d in m.domains))

    @property
    def limit(self) -> float | None:
        """The budget's limit in dollars."""
        limit = self.run.settings.get("budget", {}).get("limit")
        return None if limit is None else float(limit)

    @property
    def spent(self) -> float:
        """Dollars of device time for what this run made itself."""
        return sum(n.dollars for n in self.nodes if not n.reused)

    @property
    def asked(self) -> tuple[Charged, ...]:
        """The stages that asked endpoints, or could have."""
        return (*self.distilled, *self.probing)

    @property
    def charged(self) -> float:
        """Dollars that endpoints charged for what this run made itself; not among those spent."""
        reused = {n.name for n in self.nodes if n.reused}
        return sum(m.dollars for m in self.asked if m.node not in reused)
