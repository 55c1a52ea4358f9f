"""What verl makes of given groups and log-probabilities: a script for a process that has it (test_verl_oracle.py).

Usage: python verl_peer.py QUESTIONS ANSWERS, both files of torch.save.
"""

import sys
from typing import Any

import torch
from verl.trainer.ppo.core_algos import (
    agg_loss,
    compute_grpo_outcome_advantage,
    compute_policy_loss_vanilla,
    kl_penalty,
)
from verl.workers.config import ActorConfig

Answer = dict[str, Any]


def advantages(question: Answer) -> Answer:
    """rewards: [N]; index: int [N], the group of each; standardise: bool. Answers with advantages [N]."""
    rewards = question["rewards"].unsqueeze(-1)
    found, _ = compute_grpo_outcome_advantage(
        rewards, torch.ones_like(rewards), question["index"].numpy(), norm_adv_by_std_in_grpo=question["standardise"]
    )
    return {"advantages": found.squeeze(-1)}


def policy_loss(question: Answer) -> Answer:
    """Loss and gradient of the log-probabilities. old, logps, mask: [N, T]; advantages: [N]; the rest: see the test."""
    logps = question["logps"].clone().requires_grad_()
    config = ActorConfig(
        strategy="fsdp",
        rollout_n=1,
        use_dynamic_bsz=True,
        clip_ratio_low=question["clip_low"],
        clip_ratio_high=question["clip_high"],
        clip_ratio_c=1e9,  # no second bound, where A' < 0: TRL and we have none
    )
    config.global_batch_info.update(question["update"])
    mask, mode = question["mask"].float(), question["mode"]
    weighted = question["advantages"].unsqueeze(-1).expand_as(mask)
    loss, metrics = compute_policy_loss_vanilla(
        question["old"], logps, weighted, mask, mode, config, question["importance"]
    )
    if question["kl"]:
        penalties = kl_penalty(logps, question["reference"], question["kl"])
        loss = loss + agg_loss(penalties, mask, mode, **config.global_batch_info)
    loss.backward()
    return {"loss": loss.item(), "gradient": logps.grad, "clip_share": metrics["actor/pg_clipfrac"]}


def main(questions: str, answers: str) -> None:
    asked = torch.load(questions)
    given = {name: [globals()[name](q) for q in asked[name]] for name in ("advantages", "policy_loss")}
    torch.save(given, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
