"""What is said of teachers before a run starts."""

from pathlib import Path
from typing import Any

import pytest

from tests.chat_server import ChatServer
from vibethinker.config.distillation import DistillationSettings, ProbingSetSettings, TeacherSettings
from vibethinker.config.load import load_profile
from vibethinker.config.model import ScratchSettings
from vibethinker.config.profile import Profile
from vibethinker.config.training import SamplingSettings
from vibethinker.models.checkpoint import save_model
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.stages.preflight_teachers import check_teachers

LAB = str(Path(__file__).parents[1] / "lab.yaml")
SAMPLING = SamplingSettings(samples=2, max_response_tokens=64)


def profile(**teacher: Any) -> Profile:
    how = DistillationSettings(teachers=(TeacherSettings(name="big", sampling=SAMPLING, **teacher),))
    return load_profile(LAB).model_copy(update={"distillation": how})


def model(folder: Path, positions: int) -> str:
    tokenizer = tiny_tokenizer()
    save_model(
        folder, tiny_model(ScratchSettings(hidden_size=32, heads=1, max_length=positions), tokenizer, 0), tokenizer
    )
    return str(folder)


def test_a_profile_without_teachers() -> None:
    assert check_teachers(load_profile(LAB)) == []


@pytest.mark.parametrize("source, word", [("/no/such/folder", "is not a folder"), ("package:no-such", "not installed")])
def test_a_model_that_is_not_there(source: str, word: str) -> None:
    (found,) = check_teachers(profile(source=source))
    assert (found.name, found.status) == ("teacher big", "problem")
    assert word in found.text and "base." not in found.text


def test_a_model_for_shorter_texts(tmp_path: Path) -> None:
    (found,) = check_teachers(profile(source=model(tmp_path / "short", 32)))
    assert found.status == "problem" and "32 tokens" in found.text and "64" in found.text
    (found,) = check_teachers(profile(source=model(tmp_path / "long", 64)))
    assert found.status == "ok"


def test_an_endpoint_is_asked() -> None:
    with ChatServer(lambda _: "Yes.") as server:
        here = {"base_url": server.url, "model": "served"}
        assert check_teachers(profile(endpoint=here))[0].status == "ok"
        (found,) = check_teachers(profile(endpoint=here | {"model": "other"}))
        assert found.status == "problem" and "does not serve 'other'" in found.text
        writer = load_profile(LAB).model_copy(update={"probing_set": ProbingSetSettings(endpoint=here)})
        assert [(f.name, f.status) for f in check_teachers(writer)] == [("probing sets", "ok")]
    (found,) = check_teachers(profile(endpoint=here | {"retries": 0}))
    assert found.status == "problem" and "no connection" in found.text
