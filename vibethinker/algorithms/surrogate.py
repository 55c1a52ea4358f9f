"""From log-probabilities to the loss: J(theta) a token, its optional terms, and its mean over an update [A 3.4].

Shapes: N sequences in a micro-batch, T token positions. Values outside the mask never count: `aggregate` drops them.
"""

from typing import Literal

import torch
from torch import Tensor

Aggregation = Literal["sequence", "token", "fixed"]


def clipped_surrogate(
    logps: Tensor, old_logps: Tensor, advantages: Tensor, clip_low: float, clip_high: float
) -> tuple[Tensor, Tensor]:
    """min(rho A', clip(rho, 1 - clip_low, 1 + clip_high) A') a token, with rho = pi / pi_old [A 3.4, one eps for both].

    Clipped tokens and rows of A' = 0 never meet exp, so that no overflow of theirs reaches a gradient as 0 * inf. Only a
    ratio that overflows where A' < 0 is infinite: the objective has no bound there.
    Args: logps, old_logps: [N, T] of the sampled tokens, old_logps without gradient; advantages: A' = w_ME A, [N].
    Returns the objective (to be maximised), [N, T], and bool [N, T], where the clip is what counts: no gradient there.
    """
    log_ratio = logps - old_logps
    weights = advantages.unsqueeze(-1)
    ratio = log_ratio.detach().exp()
    clipped = torch.where(weights > 0, ratio > 1 + clip_high, ratio < 1 - clip_low) & (weights != 0)
    free = log_ratio.masked_fill(clipped | (weights == 0), 0.0).exp()
    return torch.where(clipped, ratio.clamp(1 - clip_low, 1 + clip_high), free) * weights, clipped


def kl_estimate(logps: Tensor, reference_logps: Tensor) -> Tensor:
    """KL(policy || reference) a token from one sample: q/p - 1 - ln(q/p), p the policy's probability, q the reference's.

    Known as k3 (Schulman 2020, "Approximating KL divergence"): never negative, and unbiased where the tokens were sampled
    from the policy. For measuring; what to learn from is `kl_penalty`. The report has neither.
    Args: logps, reference_logps: [N, T]. Returns [N, T].
    """
    log_ratio = reference_logps - logps
    return torch.expm1(log_ratio) - log_ratio


def kl_penalty(logps: Tensor, old_logps: Tensor, reference_logps: Tensor) -> Tensor:
    """rho times `kl_estimate`, so that the gradient too is that of KL(policy || reference), on tokens of pi_old.

    The estimate alone has another gradient, that of KL(reference || policy): it leaves out how the policy's own choice of
    tokens changes (DeepSeek-V3.2, arXiv 2512.02556; TRL's default). rho counts even where it is 1. Not in the report.
    Args: logps, old_logps, reference_logps: [N, T], the last two without gradient. Returns [N, T].
    """
    return (logps - old_logps).exp() * kl_estimate(logps, reference_logps)


def truncated_importance(old_logps: Tensor, engine_logps: Tensor, cap: float) -> Tensor:
    """min(pi_old / pi_engine, cap) a token: what the trainer and the engine that sampled differ by. No gradient.

    Not in the report, which assumes one pi_old. Args: old_logps, engine_logps: [N, T]. Returns [N, T] in [0, cap].
    """
    return (old_logps - engine_logps).detach().exp().clamp(max=cap)


def aggregate(per_token: Tensor, mask: Tensor, how: Aggregation, sequences: int, tokens: int, window: int) -> Tensor:
    """One micro-batch's share of the update's mean; the shares of all its micro-batches add up to the mean.

    `sequence`: sum_i (1 / |y_i|) sum_t / sequences [A 3.4]. Not the report's: `token`: sum / tokens; `fixed`: sum /
    (sequences window), the same weight for a token of any response.
    Args: per_token, mask: [N, T]; sequences, tokens: those of the whole update, rows skipped for zero advantage included;
    window: most tokens a response may have. Returns a scalar.
    """
    kept = torch.where(mask.bool(), per_token, 0.0)
    if how == "sequence":
        return (kept.sum(-1) / mask.sum(-1).clamp(min=1)).sum() / sequences
    return kept.sum() / (tokens if how == "token" else sequences * window)
