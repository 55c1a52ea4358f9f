"""Expert SFT, probing, selection and fusion."""

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


class SftSettings(Settings):
    """Supervised fine-tuning of the experts."""

    mode: Literal["experts", "trajectory"] = "experts"
    """`experts`: one run per domain on its own rows, in parallel (this project's reading). `trajectory`: the report's
    literal reading, one run on all rows, N selections over its checkpoints [A 3.3]."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the training rows; `max_steps` may end it earlier."""
    max_steps: int = Field(default=0, ge=0)
    """Upper bound on optimiser steps; 0 for none."""
    batch_size: int = Field(default=128, ge=1)
    """Sequences an optimiser step."""
    max_length: int = Field(default=2048, ge=16)
    """Longer rows (prompt and trace) are left out and counted."""
    learning_rate: float = Field(default=5e-5, gt=0)
    """Peak rate [B: 5e-5]."""
    min_learning_rate: float = Field(default=8e-8, ge=0)
    """Floor of the cosine [B: 8e-8]."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps with linear warm-up [B: 5%]."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm."""
    tokens_per_micro_batch: int = Field(default=16384, ge=64)
    """Padded tokens in one forward and backward; gradients accumulate to the whole batch."""

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.min_learning_rate > self.learning_rate:
            raise ValueError(
                f"sft.min_learning_rate is {self.min_learning_rate:g}, above sft.learning_rate = {self.learning_rate:g}; "
                "the rate falls towards it: lower it"
            )
        return self


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

    rule: Literal["pass_at_k", "pass_at_1", "last"] = "pass_at_k"
    """`pass_at_k` is the report's M_i* = argmax_t P_i(t) [A 3.3]; the others are for comparison. Ties: higher Pass@1, then
    the earlier checkpoint."""


class FusionSettings(Settings):
    """M_merge = sum_i w_i M_i* [A 3.3]."""

    weights: dict[str, float] = {}
    """Domain -> weight >= 0, scaled to sum 1; empty is the report's w_i = 1/N."""

    @model_validator(mode="after")
    def _weights(self) -> Self:
        bad = {k: v for k, v in self.weights.items() if not v >= 0}
        if bad or (self.weights and sum(self.weights.values()) <= 0):
            raise ValueError(f"fusion.weights must be >= 0 with a positive sum, got {self.weights}")
        return self
