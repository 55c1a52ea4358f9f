"""What is asked of vLLM and what is refused before: needs no vLLM."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.rollout.vllm_model import EOS, saved, sharpened
from vibethinker.config.model import EngineSettings
from vibethinker.config.sft import LoraSettings
from vibethinker.errors import ConfigError, DataError
from vibethinker.models.checkpoint import eos_ids, load_model, load_tokenizer
from vibethinker.models.lora import add_lora, merged_state
from vibethinker.rollout import vllm_setting
from vibethinker.rollout.engine import Prompt, Sampling, derive_seed
from vibethinker.rollout.undisturbed import undisturbed
from vibethinker.rollout.vllm_engine import VllmEngine
from vibethinker.rollout.vllm_server import VllmServerEngine, _flag
from vibethinker.rollout.vllm_setting import (
    check_lengths,
    check_weights,
    end_tokens,
    engine_arguments,
    sampling_parameters,
    weight_names,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("model"), sharpened(1))


def test_our_modules_load_without_vllm() -> None:
    code = "import sys; from vibethinker.rollout import vllm_engine, vllm_server; assert 'vllm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("kind", [VllmEngine, VllmServerEngine])
def test_vllm_is_missing(kind: type, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_setting, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"compute\.engine\.kind .*not installed: pip install 'vllm==0\.32"):
        kind(folder, EngineSettings(kind="vllm"), "float32", 0)


def test_engine_arguments(folder: Path) -> None:
    settings = EngineSettings(kind="vllm", kv_cache_gb=1.5)
    found = engine_arguments(folder, settings, "bfloat16", seed=2**40 + 5, rows=7)
    assert (found["max_model_len"], found["kv_cache_memory_bytes"], found["max_num_seqs"]) == (160, 1_500_000_000, 7)
    assert found["seed"] < 2**32 and found["dtype"] == "bfloat16"
    assert found["generation_config"] == "vllm"  # not the folder's
    shorter = engine_arguments(folder, EngineSettings(kind="vllm", max_length=64), "float32", 0, 7)
    assert shorter["max_model_len"] == 64


def test_flags() -> None:
    assert _flag("max_model_len", 12) == ["--max-model-len", "12"]
    assert _flag("enforce_eager", True) == ["--enforce-eager"]
    assert _flag("enable_chunked_prefill", False) == ["--no-enable-chunked-prefill"]


def test_end_tokens_are_those_of_the_loaded_model(folder: Path, tmp_path: Path) -> None:
    assert end_tokens(folder) == sorted(EOS) == eos_ids(load_model(folder, "cpu"), load_tokenizer(folder))
    for path in folder.iterdir():
        if path.name != "generation_config.json":
            (tmp_path / path.name).symlink_to(path)
    assert end_tokens(tmp_path) == [load_tokenizer(folder).eos_token_id]
    tokenizer = load_tokenizer(folder)
    tokenizer.chat_template = str(tokenizer.chat_template).replace("<|end|>", "<|system|>")
    other = shutil.copytree(folder, tmp_path / "other")
    tokenizer.save_pretrained(other)
    assert end_tokens(other) == eos_ids(load_model(other, "cpu"), tokenizer)
    assert set(end_tokens(other)) == {*EOS, tokenizer.convert_tokens_to_ids("<|system|>")}


def test_weights(folder: Path) -> None:
    names = weight_names(folder)
    state = sharpened(1).state_dict()
    assert names == set(state) - {"lm_head.weight"}  # tied
    check_weights(state, names)
    adapted = sharpened(1)
    add_lora(adapted, LoraSettings(rank=1, alpha=1), 0)
    assert merged_state(adapted).keys() == state.keys()
    with pytest.raises(ValueError, match=r"lacks 'model\.embed_tokens\.weight' and 0 more"):
        check_weights({name: tensor for name, tensor in state.items() if "embed" not in name}, names)
    with pytest.raises(ValueError, match=r"'model\.norm\.weight' is not finite"):
        check_weights(state | {"model.norm.weight": torch.tensor([1.0, -torch.inf])}, names)


def test_lengths() -> None:
    fits, sampling = Prompt("fits", (1,) * 6), Sampling(1, 4)
    check_lengths([fits], sampling, 10)
    with pytest.raises(DataError, match="'long' has 7 tokens"):
        check_lengths([fits, Prompt("long", (1,) * 7)], sampling, 10)
    with pytest.raises(DataError, match="'none' has no tokens"):
        check_lengths([Prompt("none", ())], sampling, 10)


def test_sampling_parameters() -> None:
    found = sampling_parameters(Prompt("p", (1, 2)), 3, Sampling(4, 50, 0.6, 0.95, seed=9), [5, 6])
    assert found["seed"] == derive_seed(9, "p", 3)
    asked = {"n": 1, "temperature": 0.6, "top_p": 0.95, "top_k": 0, "max_tokens": 50}
    assert asked.items() <= found.items()
    assert found["stop_token_ids"] == [5, 6] and found["ignore_eos"] and not found["detokenize"]
    assert sampling_parameters(Prompt("p", (1,)), 0, Sampling(1, 5, 0.0, 0.95), [])["top_p"] == 1.0


def test_undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIVEN", "before")
    monkeypatch.setenv("TAKEN", "before")
    monkeypatch.delenv("MADE", raising=False)
    monkeypatch.delenv("VLLM_MADE", raising=False)
    threads, setter = torch.get_num_threads(), torch.set_num_threads

    def draws() -> list[float]:
        return [random.random(), float(np.random.rand()), torch.rand(1).item()]

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = draws()
    random.setstate(states[0]), np.random.set_state(states[1]), torch.set_rng_state(states[2])
    with pytest.raises(KeyError), undisturbed():
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        torch.set_num_threads(threads + 1)
        torch.set_num_threads = lambda n: None  # type: ignore[assignment]
        os.environ |= {"GIVEN": "after", "MADE": "after", "VLLM_MADE": "kept"}
        del os.environ["TAKEN"]
        raise KeyError
    assert draws() == expected
    assert (torch.get_num_threads(), torch.set_num_threads) == (threads, setter)
    assert (os.environ["GIVEN"], os.environ["TAKEN"], "MADE" in os.environ) == ("before", "before", False)
    assert os.environ.pop("VLLM_MADE") == "kept"
