"""A copy of a model: the sealed files, and whether it works, tried in a real process."""

from pathlib import Path

import pytest
import torch

from vibethinker.config.model import ScratchSettings
from vibethinker.models.checkpoint import save_model
from vibethinker.models.generates import generates
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.promotion.copies import files_check, folder_files, generates_check, weights_digest


@pytest.fixture
def model(tmp_path: Path) -> Path:
    tokenizer = tiny_tokenizer()
    small = ScratchSettings(hidden_size=64, layers=1, heads=2, intermediate_size=64)
    save_model(tmp_path / "model", tiny_model(small, tokenizer, 1), tokenizer)
    return tmp_path / "model"


def test_files_as_sealed(model: Path) -> None:
    sealed = folder_files(model)
    assert set(sealed) >= {"model.safetensors", "config.json", "tokenizer.json"}
    assert files_check(model, sealed).passed
    (model / "config.json").write_text("{}")
    (model / "tokenizer.json").unlink()
    (model / "sub").mkdir()
    (model / "sub" / "extra.bin").write_bytes(b"x")
    check = files_check(model, sealed)
    assert not check.passed
    said = check.seen.split("; ")
    assert said[0].startswith("config.json has sha256 ") and said[0].endswith(sealed["config.json"][:12])
    assert said[1:] == ["sub/extra.bin was never sealed", "tokenizer.json is missing"]


def test_weights_are_the_safetensors_in_order_of_names() -> None:
    files = {"model-2.safetensors": "b", "config.json": "c", "model-1.safetensors": "a"}
    assert weights_digest(files) == "a+b"
    assert weights_digest({"config.json": "c"}) == ""


def test_a_sound_copy_generates(model: Path) -> None:
    check = generates_check(model)
    assert check.passed, check.seen
    assert check.seen == f"{generates(model)['tokens']} tokens: {generates(model)['text']!r}"


def test_a_truncated_copy_is_one_line(model: Path) -> None:
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    check = generates_check(model)
    assert not check.passed and "SafetensorError" in check.seen and "\n" not in check.seen


def test_a_process_that_takes_too_long_is_ended(model: Path) -> None:
    check = generates_check(model, seconds=0.1)
    assert (check.passed, check.seen) == (False, "generated nothing within 0 s")


def test_weights_that_are_not_numbers(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    broken = tiny_model(ScratchSettings(hidden_size=64, layers=1, heads=2, intermediate_size=64), tokenizer, 1)
    with torch.no_grad():
        broken.model.norm.weight[0] = float("nan")
    save_model(tmp_path / "model", broken, tokenizer)
    with pytest.raises(ValueError, match="logits are not finite at token 0"):
        generates(tmp_path / "model")
