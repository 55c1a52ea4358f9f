"""Expert fusion: M_merge = sum_i w_i M_i* [A 3.3]."""

from collections.abc import Sequence

import torch
from torch import Tensor


def linear_average(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """sum_i w_i x_i of same-shaped tensors, accumulated in float32, returned in the first tensor's dtype."""
    total = torch.zeros_like(tensors[0], dtype=torch.float32)
    for tensor, weight in zip(tensors, weights, strict=True):
        total += tensor.to(torch.float32) * weight
    return total.to(tensors[0].dtype)
