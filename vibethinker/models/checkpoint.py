"""Models on disk, in Hugging Face layout."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from vibethinker.models.chat import end_of_turn
from vibethinker.models.lora import merged_state


def load_model(folder: Path, device: str) -> PreTrainedModel:
    """The model in float32 master weights, in evaluation mode (no dropout: every forward pass is repeatable)."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    model.to(torch.device(device))  # type: ignore[arg-type]  # transformers hides the signature of torch's Module.to
    model.eval()
    return model


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer with its chat template; a missing pad token is the eos token."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def save_model(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """config.json, model.safetensors, tokenizer and chat template. Adapters are merged into the weights."""
    model.save_pretrained(folder, state_dict=merged_state(model))
    tokenizer.save_pretrained(folder)


def eos_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """All tokens that end a response: the tokenizer's, the generation config's and the chat template's."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    listed = configured if isinstance(configured, list) else [configured]
    return sorted({i for i in [*listed, tokenizer.eos_token_id, end_of_turn(tokenizer)] if i is not None})
