"""Long2Short: among correct responses, shorter is rewarded more, at no cost to the group's mean reward [B]."""

import torch
from torch import Tensor


def long2short_rewards(rewards: Tensor, correct: Tensor, lengths: Tensor, lambda_len: float) -> Tensor:
    """r'_i = r_i + lambda_len (s_i - mean_C s) / max_{j in C} |s_j - mean_C s| with s_i = 1/L_i, over the correct set C [B].

    Unchanged where C has fewer than two members or all its lengths are equal; zero-sum inside C.
    Args: rewards: float [Q, G]; correct: bool [Q, G]; lengths: tokens [Q, G] >= 1. Returns float [Q, G].
    """
    members = correct.sum(-1, keepdim=True).clamp(min=1)
    inverse = torch.where(correct, 1.0 / lengths.double(), 0.0)  # 1/L of two long responses are close
    centred = torch.where(correct, inverse - inverse.sum(-1, keepdim=True) / members, 0.0)
    longest = torch.where(correct, lengths, 0).amax(-1, keepdim=True)
    equal = torch.where(correct, lengths == longest, True).all(-1, keepdim=True)
    scale = centred.abs().amax(-1, keepdim=True)
    shift = torch.where(equal, 0.0, lambda_len * centred / torch.where(equal, 1.0, scale))
    return rewards + shift.to(rewards.dtype)
