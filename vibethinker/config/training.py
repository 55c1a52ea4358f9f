"""Sampling, probing, selection and fusion."""

from typing import Literal, Self

from pydantic import Field, model_validator

from vibethinker.config.base import Settings


class SamplingSettings(Settings):
    """How responses are sampled."""

    samples: int = Field(ge=1)
    """Responses per problem, n."""
    max_response_tokens: int = Field(ge=1)
    """Responses are cut here; a cut response is graded as it stands."""
    temperature: float = Field(default=1.0, ge=0)
    """0 is greedy."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus mass."""


class ProbeSettings(Settings):
    """Pass@K on each domain's probing set along the trajectory [A 3.3]."""

    every: int = Field(ge=1)
    """Optimiser steps between checkpoints, the report's k (its value: unpublished)."""
    k: int = Field(ge=1)
    """K of Pass@K (unpublished)."""
    sampling: SamplingSettings
    """n >= K samples per problem, unbiased estimator."""

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.sampling.samples < self.k:
            raise ValueError(
                f"probe.sampling.samples is {self.sampling.samples}, below probe.k = {self.k}: Pass@K needs n >= K samples"
            )
        return self


class SelectionSettings(Settings):
    """Which checkpoint of a trajectory is the expert."""

    rule: Literal["pass_at_k", "pass_at_1", "loss", "last"] = "pass_at_k"
    """`pass_at_k` is the report's M_i* = argmax_t P_i(t) [A 3.3]; the others are for comparison: `loss` is the lowest on the
    probing set's own traces. Ties: higher Pass@1 (for `pass_at_1`: Pass@K), then the earlier checkpoint."""


class FusionSearchSettings(Settings):
    """Weights searched on the probing sets, never on benchmarks."""

    candidates: int = Field(default=32, ge=1)
    """Weightings tried besides the uniform one, from a seeded Dirichlet distribution."""
    share: float = Field(default=0.5, gt=0, lt=1)
    """Part of each probing set that is searched on; what the search bought is measured on the rest."""


class FusionSettings(Settings):
    """M_merge = sum_i w_i M_i* [A 3.3]."""

    weights: dict[str, float] = {}
    """Domain -> weight >= 0, scaled to sum 1; empty is the report's w_i = 1/N."""
    search: FusionSearchSettings | None = None
    """Search the weights instead; null for none, as the report."""

    @model_validator(mode="after")
    def _weights(self) -> Self:
        bad = {k: v for k, v in self.weights.items() if not v >= 0}
        if bad or (self.weights and sum(self.weights.values()) <= 0):
            raise ValueError(f"fusion.weights must be >= 0 with a positive sum, got {self.weights}")
        if self.weights and self.search:
            raise ValueError("fusion gives weights and search; take one of the two out")
        return self
