"""Traces from teachers: many paths a problem, verified; probing sets from an endpoint; the RL checkpoints as their own teachers."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from vibethinker.config.base import Settings
from vibethinker.config.endpoint import EndpointSettings
from vibethinker.config.training import SamplingSettings

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]


class PriceSettings(Settings):
    """What an endpoint charges, in dollars per million tokens."""

    prompt: float = Field(default=0.0, ge=0)
    """Of the prompt."""
    response: float = Field(default=0.0, ge=0)
    """Of the response."""


class TeacherSettings(Settings):
    """Who writes traces. Exactly one of `source` and `endpoint`."""

    name: Name
    """In files and reports."""
    source: str = ""
    """A model that is loaded here with the profile's engine: `package:<name>`, a local folder, or a hub id."""
    revision: str = ""
    """Hub revision (a commit)."""
    endpoint: EndpointSettings | None = None
    """A model that is served elsewhere."""
    price: PriceSettings = PriceSettings()
    """Of the endpoint."""
    domains: tuple[str, ...] = ()
    """Domains that it is asked about; empty for all."""
    sampling: SamplingSettings
    """Traces a problem and how they are sampled."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.source) == bool(self.endpoint):
            raise ValueError(f"teacher {self.name!r}: give exactly one of source and endpoint")
        if self.revision and not self.source:
            raise ValueError(
                f"teacher {self.name!r} gives a revision, which only a source from the hub has; take it out"
            )
        if self.price != PriceSettings() and not self.endpoint:
            raise ValueError(f"teacher {self.name!r} gives a price, which only an endpoint has; take it out")
        return self


class DistillationSettings(Settings):
    """Multi-path distillation of the SFT problems: several teacher traces a problem, verified [B]."""

    teachers: tuple[TeacherSettings, ...] = Field(min_length=1)
    """All are asked; their traces are pooled."""
    keep: int = Field(default=8, ge=1)
    """Verified traces a problem keeps, distinct ones, spread over the teachers."""
    sources_too: bool = True
    """Whether the traces that the sources bring stay beside the teachers'."""
    min_votes: int = Field(default=3, ge=2)
    """A problem without a gold answer gets the majority's, where at least so many traces agree [B: majority vote]."""
    min_vote_share: float = Field(default=0.5, gt=0, le=1)
    """And at least this share of its answered traces."""

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [t.name for t in self.teachers]
        if len(set(names)) != len(names):
            raise ValueError(f"distillation.teachers: names must be unique, got {names}")
        return self


class SelfDistillationSettings(Settings):
    """After the last MGPO stage: verified traces of each stage's model on its own domains, ranked by how much the student
    can learn from them, and a student fine-tuned on the best [B]."""

    sampling: SamplingSettings
    """Traces a problem of each MGPO stage's model."""
    keep: int = Field(default=4, ge=1)
    """Verified traces a problem keeps before they are ranked."""
    buckets: int = Field(default=4, ge=1)
    """Traces are ranked by S_LP inside buckets of one domain and like length; so many lengths a domain (unpublished)."""
    band: tuple[float, float] = (0.4, 0.95)
    """Ranks kept inside a bucket, as shares from the lowest S_LP: middle to high, without extreme outliers [B]; values unpublished."""
    min_tokens: int = Field(default=16, ge=0)
    """Shorter traces go first [B]; value unpublished."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes of the student over the mix; all other hyperparameters are the experts'."""

    @model_validator(mode="after")
    def _band(self) -> Self:
        low, high = self.band
        if not 0 <= low < high <= 1:
            raise ValueError(f"self_distillation.band is {self.band}; give two shares, 0 <= low < high <= 1")
        return self


class ProbingSetSettings(Settings):
    """Probing problems written by a language model, as the report's were [A 3.3]."""

    endpoint: EndpointSettings
    """Who writes them."""
    price: PriceSettings = PriceSettings()
    """Of the endpoint."""
    problems: int = Field(default=64, ge=1)
    """A domain's."""
    solutions: int = Field(default=4, ge=2)
    """Independent solutions asked of the same model; a problem stays where all agree with the answer that it wrote."""
    temperature: float = Field(default=1.0, ge=0)
    """Of problems and solutions."""
    max_response_tokens: int = Field(default=8192, ge=1)
    """Of each."""
