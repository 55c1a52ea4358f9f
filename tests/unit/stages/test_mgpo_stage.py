"""An MGPO stage killed at any moment ends in the same bits; two processes end where one does."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import torch

from tests.unit.stages.mgpo_bench import STAGE, Bench
from vibethinker.config.model import EngineSettings
from vibethinker.records import FinishReason, Sample, VerdictStatus
from vibethinker.runs.manifest import sealed
from vibethinker.runs.spec import StageSpec
from vibethinker.stages.mgpo import known_counts

REPLAYED = ("reward", "p_c_mean", "response_tokens", "loss", "grad_norm")
"""Of a step whose rollouts were written."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("mgpo"))


@pytest.fixture(scope="module")
def undisturbed(bench: Bench) -> StageSpec:
    spec = bench.spec("undisturbed")
    bench.run(spec)
    return spec


def kill(process: "subprocess.Popen[bytes]") -> None:
    """With everything it started, as the supervisor would; unless it has come to its end before."""
    if process.poll() is not None:
        assert process.returncode == 0
        return
    with_children = [process.pid, *(p.pid for p in psutil.Process(process.pid).children(recursive=True))]
    for pid in with_children:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def killed_and_continued(
    bench: Bench, name: str, kills: int, engine: EngineSettings | None = None, **mgpo: Any
) -> Iterator[StageSpec]:
    """The attempts, each killed after a random time from its first rollouts on, until one is left in peace."""
    chance = random.Random(name)
    for attempt in range(1, kills + 2):
        spec = bench.spec(name, attempt, engine=engine, **mgpo)
        process = bench.start(spec)
        if attempt > kills:
            assert process.wait(600) == 0, (spec.attempt_folder / "log.txt").read_text()[-3000:]
        else:
            _until_it_works(spec, process)
            time.sleep(chance.uniform(0, 0.5))
            kill(process)
        yield spec
        if sealed(spec.folder) is not None:
            return


def _until_it_works(spec: StageSpec, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 300
    events = spec.attempt_folder / "events.jsonl"
    while process.poll() is None and not (events.exists() and b"metrics" in events.read_bytes()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("kills", [3, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_at_random_it_ends_in_the_same_bits(bench: Bench, undisturbed: StageSpec, kills: int) -> None:
    attempts = list(killed_and_continued(bench, f"killed-{kills}", kills))
    assert len(attempts) > 1
    expected, found = bench.weights(undisturbed), bench.weights(attempts[-1])
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    history = [(spec.folder / "history.parquet").read_bytes() for spec in (undisturbed, attempts[-1])]
    assert history[0] == history[1]
    steps = bench.metrics(undisturbed)
    for spec in attempts:
        for step, figures in bench.metrics(spec).items():
            assert {k: figures[k] for k in REPLAYED} == {k: steps[step][k] for k in REPLAYED}


@pytest.mark.slow
def test_killed_between_the_updates_of_a_batch_it_ends_in_the_same_bits(bench: Bench) -> None:
    changes = {"minibatches": 3, "refills": 1, "prefer_uncertain": 1.0}
    whole = bench.spec("minibatches", **changes)
    bench.run(whole)
    attempts = list(killed_and_continued(bench, "killed-minibatches", 8, **changes))
    assert len(attempts) > 1
    expected, found = bench.weights(whole), bench.weights(attempts[-1])
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_two_processes_end_where_one_does(bench: Bench, undisturbed: StageSpec) -> None:
    spec = bench.spec("two", processes=2)
    bench.run(spec)
    one, two = bench.metrics(undisturbed), bench.metrics(spec)
    assert list(two) == list(range(1, STAGE.steps + 1))
    for step, figures in one.items():
        for name in ("reward", "p_c_mean", "response_tokens", "loss", "grad_norm", "entropy", "gap_mean"):
            assert two[step][name] == pytest.approx(figures[name], rel=1e-3, abs=1e-5), (step, name)
    expected, found = bench.weights(undisturbed), bench.weights(spec)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vllm", "vllm-server"])
def test_with_vllm_what_was_sampled_is_learned_from_again(bench: Bench, kind: str) -> None:
    """Its samples may differ from run to run; those that were written are the ones that are used."""
    pytest.importorskip("vllm", reason="vLLM is not installed: make .venv/vllm")
    engine = EngineSettings.model_validate({"kind": kind, "kv_cache_gb": 0.05, "max_length": 64})
    seen: dict[int, dict[str, float]] = {}
    attempts = list(killed_and_continued(bench, f"killed-{kind}", 4, engine))
    assert len(attempts) > 1
    repeated = 0
    for spec in attempts:
        for step, figures in bench.metrics(spec).items():
            kept = {k: figures[k] for k in REPLAYED}
            repeated += step in seen
            assert seen.setdefault(step, kept) == kept
    assert list(seen) == list(range(1, STAGE.steps + 1))
    assert repeated
    assert all(figures["gap_max"] < 1e-3 for figures in bench.metrics(attempts[-1]).values() if "gap_max" in figures)


def sample(problem: str, status: VerdictStatus, reason: FinishReason = "stop") -> Sample:
    return Sample(
        problem_id=problem, domain="algebra", sample=0, response="", tokens=1, finish_reason=reason, status=status
    )


def test_a_prefilter_counts_as_p_c_does() -> None:
    """A problem solved in every sample that could be graded is at accuracy 1, and goes."""
    samples = [sample("a", "correct"), sample("a", "unknown"), sample("b", "incorrect", "length")]
    samples += [sample("b", "correct", "length"), sample("b", "correct"), sample("c", "unknown", "length")]
    assert known_counts(samples, "graded") == {"a": (1, 1), "b": (3, 2), "c": (0, 0)}
    assert known_counts(samples, "zero") == {"a": (1, 1), "b": (3, 1), "c": (1, 0)}


def test_problems_solved_always_or_never_under_the_start_model_are_left_out(bench: Bench) -> None:
    spec = bench.spec("filtered")
    stage = {**spec.settings["stage"], "prefilter_samples": 4}
    spec = spec.model_copy(update={"settings": {**spec.settings, "stage": stage}})
    problems = bench.run(spec).metrics["problems"]
    rows = pq.read_table(spec.folder / "history.parquet").to_pylist()
    first = {r["problem"]: r["correct"] / r["samples"] for r in rows if r["step"] == 0}
    inside = {problem for problem, rate in first.items() if 0 < rate < 1}
    assert len(first) == 12 and 0 < len(inside) == problems < 12
    assert {r["problem"] for r in rows if r["step"]} == inside
