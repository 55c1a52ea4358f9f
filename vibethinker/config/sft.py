"""Supervised fine-tuning of the experts, and the second round on hard problems."""

from typing import Literal, Self

from pydantic import Field, model_validator

from vibethinker.config.base import Settings
from vibethinker.config.training import SamplingSettings


class LoraSettings(Settings):
    """Low-rank adapters on a frozen base, merged into its weights wherever the model leaves training."""

    rank: int = Field(ge=1)
    """Rank of each adapter."""
    alpha: float = Field(gt=0)
    """The adapter's product is scaled by alpha / rank."""
    modules: tuple[str, ...] = ()
    """Names of the linear layers that get one, e.g. [q_proj, v_proj]; empty for all of the transformer's blocks."""


class CurriculumSettings(Settings):
    """A second round of expert SFT on the hard subset, then selection and fusion again [B]."""

    epochs: float = Field(default=2.0, gt=0)
    """Passes over the hard subset [B: 2]; all other hyperparameters are the first round's [B]."""
    min_trace_tokens: int = Field(default=5000, ge=0)
    """A trace must be at least so long [B: 5K], and its problem hard."""
    sampling: SamplingSettings
    """The reference model's rollouts of each problem [B: 8]."""
    fail_share: float = Field(default=0.75, ge=0, le=1)
    """A problem is hard where at least this share of the rollouts fails [B: 75%]; 0 keeps all."""
    reference: Literal["base", "fused"] = "fused"
    """Who makes the rollouts (unpublished): the recipe's base, or the model fused in the first round."""
    start: Literal["final", "selected", "fused"] = "final"
    """Where each expert starts: its own last checkpoint [B], its selected one, or the first round's fused model."""


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
    """What an optimiser step takes, in the unit of `batch_of`."""
    batch_of: Literal["sequences", "packs"] = "sequences"
    """`packs`: rows are put together into packs of up to `max_length` tokens, once, and a step takes so many packs."""
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
    """Tokens packed into one forward and backward; gradients accumulate to the whole batch. A small model on a CPU is fastest
    with 1,000 to 2,000."""
    gradient_checkpointing: bool = False
    """Whether each layer's activations are computed again in the backward pass: less memory, a third more time."""
    lora: LoraSettings | None = None
    """Train low-rank adapters only; null trains all weights, as the reports do."""
    curriculum: CurriculumSettings | None = None
    """The second round [B]; null for none [A]."""

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.min_learning_rate > self.learning_rate:
            raise ValueError(
                f"sft.min_learning_rate is {self.min_learning_rate:g}, above sft.learning_rate = {self.learning_rate:g}; "
                "the rate falls towards it: lower it"
            )
        return self

    @model_validator(mode="after")
    def _continues(self) -> Self:
        if self.mode == "trajectory" and self.curriculum and self.curriculum.start == "selected":
            raise ValueError(
                "sft.curriculum.start is selected, but with sft.mode = trajectory one run goes on where several checkpoints are "
                "selected; set it to final or fused"
            )
        return self

    @model_validator(mode="after")
    def _hard_traces_fit(self) -> Self:
        if self.curriculum and self.curriculum.min_trace_tokens >= self.max_length:
            raise ValueError(
                f"sft.curriculum.min_trace_tokens is {self.curriculum.min_trace_tokens}, and rows longer than sft.max_length = "
                f"{self.max_length} are left out: no hard trace would fit; lower it, or raise sft.max_length"
            )
        return self
