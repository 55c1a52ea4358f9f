"""vLLM in this process against the portable engine, the trainer's log-probabilities and the exact distribution."""

import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.unit.rollout import vllm_ranks
from tests.unit.rollout.vllm_model import EOS, PAD, SETTINGS, prompts, saved, sharpened
from vibethinker.config.model import EngineSettings
from vibethinker.errors import ConfigError, DataError
from vibethinker.models.logprobs import token_logprobs
from vibethinker.rollout.engine import Completion, Engine, Prompt, Sampling
from vibethinker.rollout.transformers_engine import TransformersEngine
from vibethinker.rollout.vllm_engine import VllmEngine
from vibethinker.training.batching import TokenSequence, pad

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")

PROMPTS = prompts()
SET_NUM_THREADS = torch.set_num_threads


@pytest.fixture(scope="module")
def model() -> Any:
    return sharpened(11)


@pytest.fixture(scope="module")
def folder(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("model"), model)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[VllmEngine]:
    before = process_state()
    engine = VllmEngine(folder, SETTINGS, "float32", seed=3)
    assert process_state() == before
    yield engine
    engine.close()
    assert not torch.distributed.is_initialized()


@pytest.fixture
def portable(model: Any) -> TransformersEngine:
    return TransformersEngine(model, EOS, PAD)


def process_state() -> dict[str, object]:
    """What vLLM must not change: others in the process share it."""
    own = ("VLLM_", "PYTEST_")  # vLLM's variables are its own, and pytest writes its progress
    return {
        "torch": torch.get_rng_state().tolist(),
        "python": random.getstate(),
        "numpy": [str(part) for part in np.random.get_state()],
        "threads": torch.get_num_threads(),
        "setter": torch.set_num_threads,
        "environment": {name: value for name, value in os.environ.items() if not name.startswith(own)},
    }


def tokens(groups: list[list[Completion]]) -> list[list[tuple[int, ...]]]:
    return [[c.token_ids for c in group] for group in groups]


def assert_same(found: list[list[Completion]], expected: list[list[Completion]], tolerance: float = 2e-5) -> None:
    assert tokens(found) == tokens(expected)
    for ours, theirs in zip(chain(*found), chain(*expected), strict=True):
        assert ours.finish_reason == theirs.finish_reason
        assert ours.logps == pytest.approx(theirs.logps, abs=tolerance)


def trainers_gap(model: Any, engine: Engine, sampling: Sampling) -> float:
    """Largest difference between the engine's log-probabilities of its samples and the trainer's."""
    groups = engine.generate(PROMPTS, sampling)
    rows = [
        TokenSequence(p.token_ids, c.token_ids, 1.0, c.logps) for p, g in zip(PROMPTS, groups, strict=True) for c in g
    ]
    batch = pad(rows, PAD, "cpu")
    with torch.no_grad():
        logps, _ = token_logprobs(model, batch.input_ids, batch.response_mask, sampling.temperature or 1.0)
    return (logps - batch.engine_logps).abs().max().item()


def test_greedy_is_the_portable_engines(engine: VllmEngine, portable: TransformersEngine) -> None:
    sampling = Sampling(1, 40, temperature=0.0)
    found = engine.generate(PROMPTS, sampling)
    assert_same(found, portable.generate(PROMPTS, sampling))
    assert len({len(c.token_ids) for (c,) in found}) > 2  # they end at different times


@pytest.mark.parametrize("temperature, top_p", [(1.0, 1.0), (0.7, 1.0), (1.0, 0.6), (0.7, 0.6)])
def test_log_probabilities_are_the_trainers(engine: VllmEngine, model: Any, temperature: float, top_p: float) -> None:
    """Under the temperature, and before top_p."""
    assert trainers_gap(model, engine, Sampling(4, 30, temperature, top_p, seed=3)) < 1e-4


def test_responses_end_with_the_first_end_token_or_at_the_limit(engine: VllmEngine) -> None:
    completions = list(chain(*engine.generate(PROMPTS, Sampling(16, 25, seed=1))))
    assert {c.finish_reason for c in completions} == {"stop", "length"}
    for completion in completions:
        assert not set(completion.token_ids[:-1]) & set(EOS)
        assert (completion.token_ids[-1] in EOS) == (completion.finish_reason == "stop")
        assert completion.finish_reason == "stop" or len(completion.token_ids) == 25
        assert len(completion.logps) == len(completion.token_ids)


@pytest.mark.parametrize("temperature, top_p", [(1.0, 1.0), (1.5, 1.0), (1.0, 0.7)])
def test_one_step_follows_the_softmax(engine: VllmEngine, model: Any, temperature: float, top_p: float) -> None:
    """Chi-square over the likely tokens and the rest together; the model's own top_k of 3 would leave three tokens."""
    draws = 2000
    with torch.no_grad():
        logits = model(torch.tensor([PROMPTS[0].token_ids])).logits[0, -1].double()
    probabilities = torch.softmax(logits / temperature, -1)
    if top_p < 1:
        order = probabilities.argsort(descending=True)
        outside = order[int((probabilities[order].cumsum(-1) < top_p).sum()) + 1 :]
        probabilities[outside] = 0
        probabilities /= probabilities.sum()
    (group,) = engine.generate(PROMPTS[:1], Sampling(draws, 1, temperature, top_p, seed=4))
    counts = torch.bincount(torch.tensor([c.token_ids[0] for c in group]), minlength=len(logits)).double()
    assert not counts[probabilities == 0].any()
    expected = probabilities * draws
    likely = expected >= 5
    assert int(likely.sum()) > 3
    observed = torch.cat([counts[likely], counts[~likely].sum()[None]])
    expected = torch.cat([expected[likely], expected[~likely].sum()[None]])
    observed, expected = observed[expected >= 5], expected[expected >= 5]
    chi_square, degrees = ((observed - expected) ** 2 / expected).sum().item(), len(expected) - 1
    assert chi_square < degrees + 4 * math.sqrt(2 * degrees)


def test_a_response_depends_on_seed_key_and_sample_alone(engine: VllmEngine) -> None:
    """In float32 other rows in the batch change sums in the last digit only, which no token here is near enough to feel."""
    sampling = Sampling(4, 20, temperature=0.9, seed=8)
    together = tokens(engine.generate(PROMPTS, sampling))
    assert tokens(engine.generate(PROMPTS[::-1], sampling))[::-1] == together
    assert [tokens(engine.generate([p], sampling))[0] for p in PROMPTS] == together
    tail = Sampling(2, 20, temperature=0.9, seed=8, first=2)
    assert tokens(engine.generate(PROMPTS, tail)) == [group[2:] for group in together]


def test_samples_seeds_and_keys_differ(engine: VllmEngine) -> None:
    sampling = Sampling(8, 16, seed=1)
    (first,) = tokens(engine.generate(PROMPTS[:1], sampling))
    (seeded,) = tokens(engine.generate(PROMPTS[:1], Sampling(8, 16, seed=2)))
    (renamed,) = tokens(engine.generate([Prompt("other", PROMPTS[0].token_ids)], sampling))
    assert len({*first, *seeded, *renamed}) == 24


def test_more_responses_than_rows_and_more_prompts_than_one_pass_holds(engine: VllmEngine, model: Any) -> None:
    """Seeded requests whose prefill vLLM cuts in two make it fail on a CPU; none may be cut."""
    many = [Prompt(f"{p.key} again {i}", (*p.token_ids[:-1], 60 + i)) for p in PROMPTS for i in range(60)]
    told: dict[tuple[int, int], Completion] = {}
    groups = engine.generate(many, Sampling(2, 3, seed=5), lambda p, s, c: told.update({(p, s): c}))
    assert len(told) == 2 * len(many) > engine.rows
    assert told == {(p, s): c for p, group in enumerate(groups) for s, c in enumerate(group)}
    assert engine.generate([], Sampling(2, 3)) == []


def test_update_weights(engine: VllmEngine, model: Any) -> None:
    """Weights in place, and no key/value block of the weights before: those would be wrong, which is shown."""
    other, sampling = sharpened(2), Sampling(1, 20, temperature=0.0)
    expected = TransformersEngine(other, EOS, PAD).generate(PROMPTS, sampling)
    before = engine.generate(PROMPTS, sampling)
    engine._call("reload_weights", weights_iterator=list(other.state_dict().items()))
    stale = engine.generate(PROMPTS, sampling)
    assert tokens(stale) != tokens(expected)
    engine.update_weights(other.state_dict())
    assert_same(engine.generate(PROMPTS, sampling), expected)
    assert trainers_gap(other, engine, Sampling(4, 30, seed=3)) < 1e-4
    engine.update_weights(model.state_dict())
    assert_same(engine.generate(PROMPTS, sampling), before)


def test_weights_that_are_not_finite_or_not_all_there_are_refused(engine: VllmEngine, model: Any) -> None:
    sampling = Sampling(2, 12, seed=6)
    before = engine.generate(PROMPTS, sampling)
    for value in (float("nan"), float("inf")):
        broken = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        broken["model.norm.weight"][7] = value
        with pytest.raises(ValueError, match=r"'model\.norm\.weight' is not finite"):
            engine.update_weights(broken)
    partial = {name: tensor for name, tensor in sharpened(2).state_dict().items() if "norm" not in name}
    with pytest.raises(ValueError, match=r"lacks 'model\.layers\.0\.input_layernorm\.weight' and 4 more"):
        engine.update_weights(partial)
    assert engine.generate(PROMPTS, sampling) == before


def test_an_error_of_the_callers_leaves_nothing_under_way(engine: VllmEngine) -> None:
    def fail(*_: object) -> None:
        raise KeyError("mine")

    before = engine.generate(PROMPTS[1:], Sampling(2, 12, seed=9))
    with pytest.raises(KeyError, match="mine"):
        engine.generate(PROMPTS, Sampling(3, 20, seed=2), fail)
    assert engine.generate(PROMPTS[1:], Sampling(2, 12, seed=9)) == before


def test_the_process_is_left_as_it_was(engine: VllmEngine, model: Any) -> None:
    before, during = process_state(), []
    engine.generate(PROMPTS, Sampling(2, 8), lambda *_: during.append(process_state()))
    assert all(state == before for state in during)
    engine.update_weights(model.state_dict())
    engine.sleep()
    assert process_state() == before
    assert torch.set_num_threads is SET_NUM_THREADS


def test_too_long_for_the_engine(engine: VllmEngine, folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"'p/4' has 80 tokens.* up to 81 .*engine's 160; raise compute\.engine\.max_length"
    ):
        engine.generate(PROMPTS, Sampling(1, 81))
    with pytest.raises(ConfigError, match=r"max_length is 161, but .* has 160 positions; give at most 160"):
        VllmEngine(folder, EngineSettings(kind="vllm", max_length=161), "float32", seed=0)


def test_a_cache_that_holds_no_response(folder: Path) -> None:
    grouped = torch.distributed.is_initialized()
    with pytest.raises(ConfigError, match=r"compute\.engine: vLLM does not start(.|\n)*kv_cache_gb"):
        VllmEngine(folder, EngineSettings(kind="vllm", kv_cache_gb=1e-6), "float32", seed=0)
    assert torch.distributed.is_initialized() == grouped


def test_identity(engine: VllmEngine) -> None:
    assert set(engine.identity) == {"engine", "vllm", "torch"}
    assert engine.identity["vllm"][0].isdigit()


def test_bfloat16_takes_float32_weights_and_an_untied_head(engine: VllmEngine, tmp_path: Path) -> None:
    """A second engine of the same process, whose end the first survives. Tokens of bfloat16 logits are the same but for near ties."""
    first, second = sharpened(5, tied=False), sharpened(6, tied=False)
    before = engine.generate(PROMPTS, Sampling(2, 9))
    lowered = VllmEngine(saved(tmp_path, first), SETTINGS, "bfloat16", seed=0)
    for model in (first, second):
        lowered.update_weights(model.state_dict())
        assert 1e-4 < trainers_gap(model, lowered, Sampling(4, 30, seed=1)) < 0.5
    lowered.close()
    assert engine.generate(PROMPTS, Sampling(2, 9)) == before


@pytest.mark.slow
def test_each_process_of_a_torchrun_has_its_own(engine: VllmEngine, folder: Path, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([*launch, vllm_ranks.__file__, folder, tmp_path], env=environment, check=True, timeout=400)
    for rank in range(2):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        expected = engine.generate(vllm_ranks.prompts(rank), vllm_ranks.SAMPLING)
        assert found["before"] == [[list(t) for t in group] for group in tokens(expected)]
        assert found["after"] != found["before"]
        assert found["sum"] == 2.0
