"""MaxEnt-guided policy optimisation: from a group's verdicts and rewards to its weighted advantages [A 3.4].

Shapes: Q questions of a rollout batch, G rollouts a question. From there to the loss: `surrogate`.
"""

from typing import Literal

import torch
from torch import Tensor

STD_EPSILON = 1e-6
"""Added to std_G, as verl does (TRL: 1e-4). A group of equal rewards is exactly zero by its centring, whatever this is."""


def pass_rate(correct: Tensor, known: Tensor) -> Tensor:
    """p_c(q) = (1/G) sum_i 1[r_i = 1] over the verdicts that are known; nan where none is [A 3.4].

    Args: correct, known: bool [Q, G]. Returns float32 [Q].
    """
    return (correct & known).sum(-1).float() / known.sum(-1).float()


def maxent_distance(p_c: Tensor) -> Tensor:
    """D_ME(p) = p ln(p/p0) + (1-p) ln((1-p)/(1-p0)) with p0 = 0.5 and 0 ln 0 = 0, that is ln 2 - H(p) [A 3.4].

    Args: p_c: [Q] in [0, 1]. Returns [Q] in [0, ln 2].
    """
    return torch.xlogy(p_c, 2 * p_c) + torch.xlogy(1 - p_c, 2 * (1 - p_c))


def maxent_weight(p_c: Tensor, lambda_me: float) -> Tensor:
    """w_ME(p) = exp(-lambda D_ME(p)); 1 for lambda = 0 (GRPO) and at p = 0.5 [A 3.4].

    Args: p_c: [Q]. Returns [Q] in [2^-lambda, 1].
    """
    return torch.exp(-lambda_me * maxent_distance(p_c))


def group_advantages(rewards: Tensor, known: Tensor, standardise: Literal["sample", "population", "none"]) -> Tensor:
    """A_i(q) = (r_i - mean_G) / std_G over a group's known rewards; 0 where unknown or where all are equal [A 3.4].

    Which std the report means is unpublished: `sample` divides by n - 1 as TRL and verl do, `none` only centres.
    Args: rewards: float [Q, G]; known: bool [Q, G]. Returns float [Q, G].
    """
    count = known.sum(-1, keepdim=True).clamp(min=1)
    kept = torch.where(known, rewards, 0.0)
    centred = torch.where(known, rewards - kept.sum(-1, keepdim=True) / count, 0.0)
    low = torch.where(known, rewards, torch.inf).amin(-1, keepdim=True)
    high = torch.where(known, rewards, -torch.inf).amax(-1, keepdim=True)
    centred = torch.where(high > low, centred, 0.0)
    if standardise == "none":
        return centred
    degrees = count - 1 if standardise == "sample" else count
    variance = centred.square().sum(-1, keepdim=True) / degrees.clamp(min=1)
    return centred / (variance.sqrt() + STD_EPSILON)
