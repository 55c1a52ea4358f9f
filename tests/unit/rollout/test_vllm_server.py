"""vLLM's own server, really started: it answers as the engine in this process does, and leaves nothing behind."""

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.unit.rollout.vllm_model import EOS, PAD, SETTINGS, prompts, saved, sharpened
from vibethinker.config.model import EngineSettings
from vibethinker.errors import DataError, ServiceFailed
from vibethinker.rollout.engine import Completion, Sampling
from vibethinker.rollout.transformers_engine import TransformersEngine
from vibethinker.rollout.vllm_engine import VllmEngine
from vibethinker.rollout.vllm_server import VllmServerEngine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed"),
]

PROMPTS = prompts()


@pytest.fixture(scope="module")
def model() -> Any:
    return sharpened(11)


@pytest.fixture(scope="module")
def folder(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("model"), model)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[VllmServerEngine]:
    engine = VllmServerEngine(folder, SETTINGS, "float32", seed=3)
    yield engine
    engine.close()


def tokens(groups: list[list[Completion]]) -> list[list[tuple[int, ...]]]:
    return [[c.token_ids for c in group] for group in groups]


def assert_same(found: list[list[Completion]], expected: list[list[Completion]]) -> None:
    assert tokens(found) == tokens(expected)
    for ours, theirs in zip(chain(*found), chain(*expected), strict=True):
        assert ours.finish_reason == theirs.finish_reason
        assert ours.logps == pytest.approx(theirs.logps, abs=2e-5)


def processes() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def test_greedy_is_the_portable_engines(engine: VllmServerEngine, model: Any) -> None:
    sampling = Sampling(1, 40, temperature=0.0)
    assert_same(engine.generate(PROMPTS, sampling), TransformersEngine(model, EOS, PAD).generate(PROMPTS, sampling))


def test_samples_are_those_of_the_engine_in_this_process(engine: VllmServerEngine, folder: Path) -> None:
    """Same seeds, same distribution, same log-probabilities: none of the sampling defaults in the model's folder."""
    within = VllmEngine(folder, SETTINGS, "float32", seed=3)
    for sampling in (Sampling(8, 30, seed=1), Sampling(3, 30, 0.7, 0.6, seed=2, first=4)):
        told: dict[tuple[int, int], Completion] = {}
        found = engine.generate(PROMPTS, sampling, lambda p, s, c, told=told: told.update({(p, s): c}))  # type: ignore[misc]
        assert_same(found, within.generate(PROMPTS, sampling))
        assert told == {(p, s): c for p, group in enumerate(found) for s, c in enumerate(group)}
    within.close()
    assert {c.finish_reason for group in found for c in group} == {"stop", "length"}


def test_update_weights(engine: VllmServerEngine, model: Any) -> None:
    other, sampling = sharpened(2), Sampling(1, 20, temperature=0.0)
    before = engine.generate(PROMPTS, sampling)
    engine.update_weights(other.state_dict())
    assert_same(engine.generate(PROMPTS, sampling), TransformersEngine(other, EOS, PAD).generate(PROMPTS, sampling))
    engine.update_weights(model.state_dict())
    assert_same(engine.generate(PROMPTS, sampling), before)
    assert not list(engine._scratch.iterdir())


def test_weights_that_are_not_finite_are_refused(engine: VllmServerEngine, model: Any) -> None:
    before = engine.generate(PROMPTS, Sampling(2, 12, seed=6))
    broken = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    broken["model.norm.weight"][7] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        engine.update_weights(broken)
    engine.sleep()
    assert tokens(engine.generate(PROMPTS, Sampling(2, 12, seed=6))) == tokens(before)


def test_errors_come_as_they_are(engine: VllmServerEngine) -> None:
    def fail(*_: object) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        engine.generate(PROMPTS, Sampling(3, 20), fail)
    with pytest.raises(DataError, match="more than the engine's 160"):
        engine.generate(PROMPTS, Sampling(1, 100))
    assert engine.generate([], Sampling(1, 5)) == []


def test_a_server_that_dies_and_one_that_is_closed_leave_nothing(folder: Path) -> None:
    before = processes()
    engine = VllmServerEngine(folder, SETTINGS, "float32", seed=0)
    started, log, scratch = processes() - before, engine._service.log, engine._scratch
    assert len(started) >= 3
    for process in started:
        if "EngineCore" in " ".join(process.cmdline()) or "api_server" in " ".join(process.cmdline()[:4]):
            process.kill()
    with pytest.raises(ServiceFailed, match="its log ends with"):
        engine.generate(PROMPTS, Sampling(1, 5))
    engine.close()
    assert processes() == before
    assert not log.exists() and not scratch.exists()


def test_one_that_does_not_start_says_why(folder: Path) -> None:
    before = processes()
    settings = EngineSettings(kind="vllm-server", kv_cache_gb=1e-6)
    with pytest.raises(ServiceFailed, match=r"first error: ValueError: No available memory.*\n.*kv_cache_gb") as caught:
        VllmServerEngine(folder, settings, "float32", seed=0)
    log = Path(str(caught.value).split("; log ")[1].split(" ends with")[0])
    assert log.exists()
    log.unlink()
    assert processes() == before
