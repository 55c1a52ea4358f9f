"""Real saved models pass; the same with a part missing do not. (Hand-made damage: tests/orchestration/test_bad_input.py.)"""

from pathlib import Path

import pytest

from vibethinker.config.model import ScratchSettings
from vibethinker.errors import ConfigError
from vibethinker.models.folder import check_model_folder, model_positions
from vibethinker.models.tiny import tiny_model, tiny_tokenizer


@pytest.fixture(params=["one file", "shards"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    tokenizer = tiny_tokenizer()
    model = tiny_model(ScratchSettings(), tokenizer, seed=0)
    model.save_pretrained(tmp_path, max_shard_size="200KB" if request.param == "shards" else "1GB")
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_a_saved_model(folder: Path) -> None:
    check_model_folder(folder)
    assert model_positions(folder) == ScratchSettings().max_length


def test_a_saved_model_without_one_of_its_files(folder: Path) -> None:
    weights = sorted(folder.glob("*.safetensors"))[-1]
    for name in ("config.json", weights.name, "tokenizer.json", "chat_template.jinja"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(ConfigError, match=str(folder)):
            check_model_folder(folder)
        (folder / name).write_bytes(content)


def test_a_saved_model_cut_short(folder: Path) -> None:
    weights = sorted(folder.glob("*.safetensors"))[-1]
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ConfigError, match=rf"{weights.name} can't be used: it holds \d+ bytes, its header says \d+"):
        check_model_folder(folder)
