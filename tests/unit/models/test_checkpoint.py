"""Models on disk, and where given ones come from."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from vibethinker.config.model import ScratchSettings
from vibethinker.errors import ConfigError
from vibethinker.models.checkpoint import eos_ids, load_model, load_tokenizer, save_model
from vibethinker.models.identity import model_digest
from vibethinker.models.pretrained import fetch_model
from vibethinker.models.tiny import tiny_model, tiny_tokenizer

SCRATCH = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=64)
EOS = tiny_tokenizer().eos_token_id


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_model(SCRATCH, tiny_tokenizer(), 7)


@pytest.fixture(scope="module")
def folder(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, model, tiny_tokenizer())
    return folder


def test_round_trip_is_bit_identical(model: Any, folder: Path) -> None:
    again = load_model(folder, "cpu")
    assert not again.training
    state = again.state_dict()
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[n], t) for n, t in model.state_dict().items())


def test_the_tokenizer_comes_back_with_its_template(folder: Path) -> None:
    text = "Solve 3x + 4 = 19 \\boxed{5} é"
    again, first = load_tokenizer(folder), tiny_tokenizer()
    assert again(text)["input_ids"] == first(text)["input_ids"]
    assert again.chat_template == first.chat_template
    assert (again.pad_token_id, again.eos_token_id) == (first.pad_token_id, first.eos_token_id)


def test_a_missing_pad_token_is_the_eos_token(model: Any, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = None
    save_model(tmp_path, model, tokenizer)
    again = load_tokenizer(tmp_path)
    assert again.pad_token_id == again.eos_token_id


def test_bfloat16_files_are_loaded_as_float32_masters(model: Any, tmp_path: Path) -> None:
    save_model(tmp_path, tiny_model(SCRATCH, tiny_tokenizer(), 7).bfloat16(), tiny_tokenizer())
    assert {p.dtype for p in load_model(tmp_path, "cpu").parameters()} == {torch.float32}


@pytest.mark.parametrize(
    "configured, expected", [(None, [EOS]), (EOS, [EOS]), (3, [3, EOS]), ([9, EOS, 3], [3, 9, EOS])]
)
def test_all_tokens_that_end_a_response(configured: Any, expected: list[int]) -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model(SCRATCH, tokenizer, 7)
    model.generation_config.eos_token_id = configured
    assert eos_ids(model, tokenizer) == expected


def test_the_chat_templates_own_end_is_one_of_them() -> None:
    """Qwen2.5's base models end a text with one token, and a turn with another."""
    tokenizer: Any = tiny_tokenizer()
    model = tiny_model(SCRATCH, tokenizer, 7)
    tokenizer.chat_template = str(tokenizer.chat_template).replace("<|end|>", "<|system|>")
    assert eos_ids(model, tokenizer) == [EOS, tokenizer.convert_tokens_to_ids("<|system|>")]


def test_a_local_folder_is_fetched_as_it_is(model: Any, folder: Path, tmp_path: Path) -> None:
    assert fetch_model(str(folder), "", tmp_path / "base") == sum(p.numel() for p in model.parameters())
    assert torch.equal(
        load_model(tmp_path / "base", "cpu").get_input_embeddings().weight, model.get_input_embeddings().weight
    )


def test_a_model_may_be_given_more_positions(tmp_path: Path, model: Any) -> None:
    save_model(tmp_path / "given", model, tiny_tokenizer())
    fetch_model(str(tmp_path / "given"), "", tmp_path / "base", positions=4096)
    longer = load_model(tmp_path / "base", "cpu")
    assert longer.config.max_position_embeddings == 4096
    assert all(torch.equal(p, q) for p, q in zip(longer.parameters(), model.parameters(), strict=True))


def test_a_folder_under_home_is_fetched_too(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    source = f"~/{folder.name}"
    assert model_digest(source, "") == model_digest(str(folder), "")
    assert fetch_model(source, "", tmp_path / "base") > 0


def test_no_chat_template_is_refused(model: Any, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    save_model(tmp_path / "given", model, tokenizer)
    with pytest.raises(ConfigError, match="no chat template"):
        fetch_model(str(tmp_path / "given"), "", tmp_path / "base")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be loaded"):
        fetch_model(str(tmp_path), "", tmp_path / "base")


@pytest.mark.parametrize(
    "source, text",
    [
        ("package:no-such-package-here", "pip install no-such-package-here"),
        ("./no/such/folder", "not a folder"),
        ("/no/such/folder", "not a folder"),
        ("~/no/such/folder", "not a folder"),
    ],
)
def test_models_that_are_not_there(source: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as error:
        model_digest(source, "")
    assert source in str(error.value)


def test_identity_follows_every_file(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    before = model_digest(str(tmp_path / "copy"), "")
    assert before == model_digest(str(folder), "main")
    weights = bytearray((tmp_path / "copy" / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "copy" / "model.safetensors").write_bytes(weights)
    assert model_digest(str(tmp_path / "copy"), "") != before


def test_identity_of_a_hub_model_is_its_revision() -> None:
    assert model_digest("org/model", "") == "hub:org/model@main"
    assert model_digest("org/model", "abc") == "hub:org/model@abc"


def test_identity_of_a_package_is_its_version() -> None:
    assert model_digest("package:pytest", "") == f"package:pytest=={pytest.__version__}"


def test_a_folder_without_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config\.json"):
        model_digest(str(tmp_path), "")
