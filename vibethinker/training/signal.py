"""From graded groups to weighted advantages: what a rollout batch teaches [A 3.4]."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vibethinker.algorithms.long2short import long2short_rewards
from vibethinker.algorithms.mgpo import group_advantages, maxent_weight, pass_rate
from vibethinker.config.mgpo import MgpoSettings
from vibethinker.records import Problem, Verdict
from vibethinker.rollout.engine import Completion, Prompt


@dataclass(frozen=True)
class Task:
    """A problem with its tokenised prompt."""

    problem: Problem
    prompt: Prompt


@dataclass(frozen=True)
class Rollout:
    """A graded group: G completions of one problem."""

    task: Task
    completions: tuple[Completion, ...]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Signal:
    """What Q groups of G rollouts teach."""

    correct: Tensor
    """bool [Q, G]"""
    known: Tensor
    """bool [Q, G], False where grading failed."""
    p_c: Tensor
    """[Q]; nan where no verdict is known."""
    w_me: Tensor
    """[Q]"""
    advantages: Tensor
    """[Q, G], weighted: A' = w_ME A."""
    masked: Tensor
    """bool [Q, G], responses without a loss of their own."""


def weigh(rollouts: Sequence[Rollout], settings: MgpoSettings, long2short: float) -> Signal:
    """p_c from correctness alone; advantages from rewards (shaped under Long2Short), then weighted by w_ME [A 3.4].

    long2short: lambda_len [B], 0 for none. A response cut at its window counts as `settings.overlong` says.
    """
    correct = torch.tensor([[v.status == "correct" for v in r.verdicts] for r in rollouts])
    known = torch.tensor([[v.status != "unknown" for v in r.verdicts] for r in rollouts])
    cut = torch.tensor([[c.finish_reason == "length" for c in r.completions] for r in rollouts])
    lengths = torch.tensor([[len(c.token_ids) for c in r.completions] for r in rollouts])
    if settings.overlong == "zero":
        correct, known = correct & ~cut, known | cut
    rewards = correct.float()
    if long2short:
        rewards = long2short_rewards(rewards, correct, lengths, long2short)
    p_c = pass_rate(correct, known)
    w_me = maxent_weight(p_c.nan_to_num(0.0), settings.lambda_me)
    advantages = group_advantages(rewards, known, settings.standardise)
    weights = {"maxent": w_me, "batch-mean": _mean_weight(w_me, advantages)}[settings.weighting]
    masked = cut if settings.overlong == "masked" else torch.zeros_like(cut)
    weighted = torch.where(masked, 0.0, weights.unsqueeze(-1) * advantages)
    return Signal(correct, known, p_c, w_me, weighted, masked)


def _mean_weight(w_me: Tensor, advantages: Tensor) -> Tensor:
    """[1]: mean w_ME of the groups that carry an advantage, what MGPO weighs them with on average; 1 without any."""
    carrying = w_me[(advantages != 0).any(-1)]
    return carrying.mean(0, keepdim=True) if len(carrying) else w_me.new_ones(1)


def carries(rollout: Rollout, settings: MgpoSettings, long2short: float) -> bool:
    """Whether any response of the group has an advantage. Never to be told from p_c: a shaped group of p_c = 1 may have one."""
    return bool(weigh([rollout], settings, long2short).advantages.any())
