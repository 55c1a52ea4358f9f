"""Our advantages and loss are verl's, on random groups and log-probabilities. verl runs in a process of its own.

It is not in our environment: `make peers` puts it in a folder beside it (infra/constraints-peers.txt).
"""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vibethinker.algorithms.mgpo import group_advantages, maxent_weight, pass_rate
from vibethinker.algorithms.surrogate import (
    Aggregation,
    aggregate,
    clipped_surrogate,
    kl_estimate,
    kl_penalty,
    truncated_importance,
)

PEERS = Path(sys.prefix) / "peers"
MODES: dict[Aggregation, str] = {
    "sequence": "seq-mean-token-mean",
    "token": "token-mean",
    "fixed": "seq-mean-token-sum-norm",
}
CLIP_LOW, CLIP_HIGH, CAP, WINDOW = 0.1, 0.3, 1.5, 20
SEQUENCES, TOKENS = 31, 207
"""Of the whole update, of which a case holds one micro-batch."""

Groups = dict[str, torch.Tensor]


def groups(binary: bool, seed: int) -> Groups:
    """Rewards and which are known, [Q, G], at least two known a group; and an order of the responses, [Q G]."""
    generator = torch.Generator().manual_seed(seed)
    questions, size = 12, 8
    rewards = torch.randn(questions, size, generator=generator)
    if binary:
        rates = torch.linspace(0, 1, questions).unsqueeze(-1)  # from all wrong to all right
        rewards = (torch.rand(questions, size, generator=generator) < rates).float()
    known = torch.rand(questions, size, generator=generator) < 0.8
    known[:, :2] = True
    return {"rewards": rewards, "known": known, "order": torch.randperm(rewards.numel(), generator=generator)}


GROUPS = [(groups(binary, seed), std) for seed, (binary, std) in enumerate((b, s) for b in (0, 1) for s in (1, 0))]


def micro_batch(how: Aggregation, kl: str, moved: bool, seed: int) -> dict[str, Any]:
    """Right-padded responses of 1 to 9 tokens; with `moved`, ratios far out on both sides."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 10, (7,), generator=generator)
    old = -3 * torch.rand(7, 9, generator=generator)
    return {
        "mask": torch.arange(9) < lengths.unsqueeze(-1),
        "old": old,
        "logps": old + moved * 0.3 * torch.randn(7, 9, generator=generator),
        "engine": old + 0.3 * torch.randn(7, 9, generator=generator),
        "reference": old + 0.3 * torch.randn(7, 9, generator=generator),
        "advantages": torch.randn(7, generator=generator),
        "how": how,
        "kl": kl,
    }


BATCHES = [
    *(micro_batch(how, "", True, seed) for seed, how in enumerate(MODES)),
    micro_batch("sequence", "k3", True, 3),
    micro_batch("sequence", "k3+", False, 4),
]


def asked_advantages(group: Groups, standardise: int) -> dict[str, Any]:
    """The known responses in another order, each with its group's number: verl has no unknown."""
    kept = group["order"][group["known"].flatten()[group["order"]]]
    index = kept // group["rewards"].shape[1]
    return {"rewards": group["rewards"].flatten()[kept], "index": index, "standardise": bool(standardise)}


def asked_loss(batch: dict[str, Any]) -> dict[str, Any]:
    importance = (batch["old"] - batch["engine"]).exp().clamp(max=CAP)
    update = {"dp_size": 1, "batch_num_tokens": TOKENS, "global_batch_size": SEQUENCES, "loss_scale_factor": WINDOW}
    clips = {"clip_low": CLIP_LOW, "clip_high": CLIP_HIGH}
    return batch | clips | {"importance": importance, "update": update, "mode": MODES[batch["how"]]}


@pytest.fixture(scope="module")
def verl(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """verl's answers to all cases, in one process: its imports take most of the time."""
    if not (PEERS / "verl").exists():
        pytest.skip("verl is not installed: `make peers` does it")
    folder = tmp_path_factory.mktemp("verl")
    asked = {
        "advantages": [asked_advantages(g, s) for g, s in GROUPS],
        "policy_loss": [asked_loss(b) for b in BATCHES],
    }
    torch.save(asked, folder / "questions.pt")
    script = Path(__file__).with_name("verl_peer.py")
    environment = os.environ | {"PYTHONPATH": str(PEERS), "VERL_USE_EXTERNAL_PLUGINS": "none", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(folder / "questions.pt"), str(folder / "answers.pt")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(folder / "answers.pt")


@pytest.mark.parametrize("case", range(len(GROUPS)))
def test_advantages_are_verls(case: int, verl: dict[str, list[dict[str, Any]]]) -> None:
    group, standardise = GROUPS[case]
    ours = group_advantages(group["rewards"], group["known"], "sample" if standardise else "none").flatten()
    kept = group["order"][group["known"].flatten()[group["order"]]]
    theirs = verl["advantages"][case]["advantages"]
    assert theirs.abs().max() > 0.5
    torch.testing.assert_close(ours[kept], theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lambda_me", [0.0, 2.0])
def test_weighted_advantages_are_verls_scaled(lambda_me: float, verl: dict[str, list[dict[str, Any]]]) -> None:
    case = next(i for i, (g, s) in enumerate(GROUPS) if s and (g["rewards"].unique().numel() == 2))
    group, _ = GROUPS[case]
    rewards, known = group["rewards"], group["known"]
    weight = maxent_weight(pass_rate(rewards == 1, known), lambda_me).unsqueeze(-1)
    ours = (weight * group_advantages(rewards, known, "sample")).flatten()
    kept = group["order"][known.flatten()[group["order"]]]
    rates = [float(r[k].mean()) for r, k in zip(rewards.numpy(), known.numpy(), strict=True)]
    entropies = [-sum(x * math.log(x) for x in (p, 1 - p) if x > 0) for p in rates]
    scale = np.exp(-lambda_me * (math.log(2) - np.array(entropies)))[kept.numpy() // rewards.shape[1]]
    theirs = verl["advantages"][case]["advantages"] * torch.tensor(scale, dtype=torch.float32)
    torch.testing.assert_close(ours[kept], theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", range(len(BATCHES)))
def test_loss_and_gradient_are_verls(case: int, verl: dict[str, list[dict[str, Any]]]) -> None:
    batch, theirs = BATCHES[case], verl["policy_loss"][case]
    logps, mask = batch["logps"].clone().requires_grad_(), batch["mask"]
    objective, clipped = clipped_surrogate(logps, batch["old"], batch["advantages"], CLIP_LOW, CLIP_HIGH)
    objective = objective * truncated_importance(batch["old"], batch["engine"], CAP)
    if batch["kl"] == "k3":
        objective = objective - kl_estimate(logps, batch["reference"])
    if batch["kl"] == "k3+":  # verl's with the gradient of KL(policy || reference), on-policy
        objective = objective - kl_penalty(logps, batch["old"], batch["reference"])
    loss = -aggregate(objective, mask, batch["how"], SEQUENCES, TOKENS, WINDOW)
    loss.backward()
    assert loss.item() == pytest.approx(theirs["loss"], rel=1e-5, abs=1e-7)
    assert theirs["gradient"].abs().max() > 1e-3
    torch.testing.assert_close(logps.grad, theirs["gradient"], rtol=1e-5, atol=1e-8)
    assert clipped[mask].float().mean().item() == pytest.approx(theirs["clip_share"])
    if not batch["kl"]:
        assert 0.1 < theirs["clip_share"] < 0.9
