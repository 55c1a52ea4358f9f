"""Expert fusion: M_merge = sum_i w_i M_i* [A 3.3]."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def linear_average(inputs: Iterable[Tensor], weights: Sequence[float], out: Tensor, work: Tensor) -> Tensor:
    """Writes sum_i w_i x_i / sum_i w_i into `out`, summed in float32, and returns it.

    The bits are those of mergekit 0.1.5's linear merge in float32: one fused multiply-add for each input in their order,
    starting from zeros, then one division by the float32 sum of the weights.

    Args:
        inputs: [n], of any floating dtypes. Each is used up before the next one is asked for, so they may share memory.
        weights: one for each input, with a positive sum; need not sum to 1.
        out: [n], of any floating dtype.
        work: float32 [2, at least n], overwritten.
    """
    total, wide = work[:, : out.numel()]
    total.zero_()
    for tensor, weight in zip(inputs, weights, strict=True):
        term = tensor if tensor.dtype == torch.float32 else wide.copy_(tensor)
        total.add_(term, alpha=weight)
    scale = torch.tensor([list(weights)], dtype=torch.float32).sum(dim=1).item()
    if scale != 1:
        total.div_(scale)
    return out.copy_(total)
