"""In which type a forward pass computes; weights and optimiser states stay float32, the masters."""

from contextlib import AbstractContextManager

import torch
from transformers import PreTrainedModel


def forward_type(model: PreTrainedModel, precision: str) -> AbstractContextManager[object]:
    """bfloat16 by autocast, or float32 as the weights are."""
    return torch.autocast(model.device.type, torch.bfloat16, enabled=precision == "bfloat16")
