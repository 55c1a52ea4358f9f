"""Reinforcement learning: MGPO and its stages."""

from typing import Literal, Self

from pydantic import Field, model_validator

from vibethinker.config.base import Settings


class MgpoStageSettings(Settings):
    """One MGPO stage: its window, domains and length."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)
    """E.g. maths-short, maths-long, code [A 3.2]."""
    domains: tuple[str, ...] = Field(min_length=1)
    """Domains whose rl problems are used."""
    max_response_tokens: int = Field(ge=1)
    """The window."""
    steps: int = Field(ge=1)
    """Rollout batches."""
    long2short: float = Field(default=0.0, ge=0)
    """lambda_len of Long2Short among correct responses; 0 is off [B: 0.2]."""
    prefilter_samples: int = Field(default=0, ge=0)
    """Samples per problem under the stage's start checkpoint; problems at accuracy exactly 0 or 1 are dropped [B]. 0 is
    off [A]."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if len(set(self.domains)) != len(self.domains):
            raise ValueError(f"mgpo.stages[{self.name}].domains names one twice: {list(self.domains)}; take it out")
        if self.prefilter_samples == 1:
            raise ValueError(
                f"mgpo.stages[{self.name}].prefilter_samples is 1: every problem would be at accuracy 0 or 1 and dropped; "
                "give 2 or more, or 0 for no filter"
            )
        return self


class MgpoSettings(Settings):
    """MaxEnt-guided policy optimisation [A 3.4]. The report gives no value for any of these: our defaults."""

    lambda_me: float = Field(default=2.0, ge=0)
    """lambda of w_ME = exp(-lambda D_ME(p_c)); 0 is GRPO exactly (unpublished)."""
    weighting: Literal["maxent", "batch-mean"] = "maxent"
    """`batch-mean` is a control, not the report's: GRPO with every advantage scaled by the batch's mean w_ME, so that a
    comparison with MGPO is not one of learning rates."""
    group_size: int = Field(default=8, ge=2)
    """G, rollouts a prompt (unpublished)."""
    prompts_per_step: int = Field(default=64, ge=1)
    """Questions in a rollout batch (unpublished)."""
    minibatches: int = Field(default=1, ge=1)
    """Optimiser updates per rollout batch. 1 is strictly on-policy [B]: the ratio is 1 and nothing is clipped."""
    clip_low: float = Field(default=0.2, gt=0, lt=1)
    """eps below: the ratio is clipped at 1 - clip_low (unpublished)."""
    clip_high: float = Field(default=0.2, gt=0)
    """eps above; the report's formula has one eps, so a value other than clip_low leaves it."""
    aggregation: Literal["sequence", "token", "fixed"] = "sequence"
    """`sequence` is the report's mean over a response's tokens, then over responses [A 3.4]. Not the report's: `token`, one
    mean over all tokens of the update; `fixed`, a response's sum over its window's length, then the mean over responses."""
    kl: float = Field(default=0.0, ge=0)
    """Weight of KL(policy || the stage's start model), estimated a token (rho times k3). The report has no such term."""
    importance_cap: float = Field(default=0.0, ge=0)
    """Corrects each token's loss by min(trainer's / engine's probability, cap), where engine and trainer differ in
    arithmetic; 0 is off. Not the report's."""
    max_gap: float = Field(default=0.2, gt=0)
    """Mean absolute difference of the engine's and the trainer's log-probabilities, in nats a token, above which the run
    stops: the two no longer are one model (bfloat16 against float32: about 0.01)."""
    standardise: Literal["sample", "population", "none"] = "sample"
    """std_G: sample (n-1) as TRL and verl, population, or centring only (the reports don't say)."""
    overlong: Literal["graded", "zero", "masked"] = "graded"
    """A response cut at the window: graded as it stands, rewarded 0 and counted as incorrect, or graded but without a loss of
    its own (unpublished)."""
    refills: int = Field(default=0, ge=0)
    """How many times a step may sample further problems in place of groups without advantage; 0 is off, as in the report."""
    prefer_uncertain: float = Field(default=0.0, ge=0)
    """How strongly problems whose pass rate was near 0.5 are drawn more often: weight exp(-x D_ME(p)); 0 visits all alike.
    Changes the distribution of the questions, so the objective is no longer the report's."""
    learning_rate: float = Field(default=1e-6, gt=0)
    """Constant rate (unpublished)."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's (unpublished)."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm (unpublished)."""
    temperature: float = Field(default=1.0, gt=0)
    """Of the rollouts; top_p is 1 and top_k off, so that samples come from the distribution the loss differentiates."""
    tokens_per_micro_batch: int = Field(default=16384, ge=64)
    """Padded tokens in one forward and backward."""
    gradient_checkpointing: bool = False
    """Activations of each layer are computed again in the backward pass: less memory for a third more work."""
    checkpoint_every: int = Field(default=10, ge=1)
    """Rollout batches between checkpoints that an interrupted stage continues from; samples are shown and the KL from the
    start measured as often."""
    stages: tuple[MgpoStageSettings, ...] = Field(min_length=1)
    """In order; each starts from the one before with a fresh optimiser."""

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.minibatches > self.prompts_per_step:
            raise ValueError(
                f"mgpo.minibatches is {self.minibatches}, above mgpo.prompts_per_step = {self.prompts_per_step}: an update "
                "learns from one problem's group at least; lower it, or raise that"
            )
        return self
