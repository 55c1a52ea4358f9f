"""A model small enough for vLLM to answer in seconds, in a folder, and what it is asked."""

from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2ForCausalLM

from vibethinker.config.model import EngineSettings, ScratchSettings
from vibethinker.models.checkpoint import save_model
from vibethinker.models.tiny import tiny_config, tiny_model, tiny_tokenizer
from vibethinker.rollout.engine import Prompt

SCRATCH = ScratchSettings(hidden_size=64, layers=2, heads=2, intermediate_size=64, max_length=160)
SETTINGS = EngineSettings(kind="vllm", kv_cache_gb=0.02)
PAD = tiny_tokenizer().pad_token_id
EOS = [*range(40, 52), tiny_tokenizer().eos_token_id]
"""About one token in twenty ends a response."""
LENGTHS = (3, 17, 33, 64, 80, 9)
"""Of the prompts: some longer than vLLM's blocks, which then are kept and shared."""


def sharpened(seed: int, tied: bool = True) -> Any:
    """Random weights, larger than at initialisation: next-token distributions that are far from uniform."""
    tokenizer = tiny_tokenizer()
    model = tiny_model(SCRATCH, tokenizer, seed).eval()
    if not tied:
        config = tiny_config(SCRATCH, tokenizer)
        config.tie_word_embeddings = False
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Qwen2ForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)
    return model


def saved(folder: Path, model: Any) -> Path:
    """The folder, with sampling defaults in it that no one asked for."""
    defaults = model.generation_config
    defaults.eos_token_id, defaults.do_sample = EOS, True
    defaults.top_k, defaults.top_p, defaults.temperature, defaults.repetition_penalty = 3, 0.5, 0.3, 1.5
    save_model(folder, model, tiny_tokenizer())
    return folder


def prompts() -> list[Prompt]:
    generator = torch.Generator().manual_seed(0)
    return [
        Prompt(f"p/{i}", tuple(torch.randint(60, 250, (length,), generator=generator).tolist()))
        for i, length in enumerate(LENGTHS)
    ]
