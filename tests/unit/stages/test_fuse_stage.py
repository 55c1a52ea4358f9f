"""The fuse stage on tiny models: given weights, and weights searched on probing problems, killed between candidates."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from safetensors.torch import load_file

from tests.unit.training.warm import warm_model, warm_problems
from vibethinker.data.tables import write_problems
from vibethinker.errors import DataError
from vibethinker.models.checkpoint import save_model
from vibethinker.models.tiny import tiny_tokenizer
from vibethinker.records import Problem
from vibethinker.runs.manifest import InputRef, Manifest, sealed
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import open_work
from vibethinker.stages import weight_search
from vibethinker.stages.fuse import run

ROOT = Path(__file__).parents[3]
DOMAINS = ("algebra", "geometry")
CANDIDATES = 4


class Killed(BaseException):
    """What a kill is to the files: nothing after it is done."""


class Bench:
    """Two experts, of which the second has forgotten all, and six probing problems for each domain."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        tokenizer, problems = tiny_tokenizer(), warm_problems()
        (workspace / "warm").mkdir()
        model = warm_model(tokenizer, problems, workspace / "warm")
        self.inputs: dict[str, InputRef] = {}
        with open_work(self.spec("select")) as work:
            save_model(work.out / "experts" / "algebra", model, tokenizer)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                for p in model.parameters():
                    p.data = 0.1 * torch.randn_like(p)
            save_model(work.out / "experts" / "geometry", model, tokenizer)
            self._keep("experts", "select", work.seal({}))
        self.probes = [p.model_copy(update={"domain": DOMAINS[i % 2]}) for i, p in enumerate(problems)]
        with open_work(self.spec("split")) as work:
            write_problems(work.out / "probe.parquet", self.probes)
            (work.out / "benchmark.parquet").write_bytes(b"not to be read")
            self._keep("probes", "split", work.seal({}))

    def _keep(self, name: str, node: str, manifest: Manifest) -> None:
        self.inputs[name] = InputRef(fingerprint=node, digest=manifest.digest, path=node)

    def spec(self, node: str, attempt: int = 1, inputs: tuple[str, ...] = (), **settings: Any) -> StageSpec:
        common = {"chat": {"prompt": {}, "system_prompt": ""}, "grading": {}, "seed": 3, "precision": "float32"}
        return StageSpec(
            node=node,
            stage="fuse",
            version=1,
            fingerprint=node,
            settings=common | settings,
            inputs={name: self.inputs[name] for name in inputs},
            folder=self.workspace / node,
            workspace=self.workspace,
            attempt=attempt,
        )

    def searching(self, node: str, attempt: int = 1, k: int = 2, share: float = 0.5) -> StageSpec:
        return self.spec(
            node,
            attempt,
            ("experts", "probes"),
            weights=dict.fromkeys(DOMAINS, 0.5),
            search={"candidates": CANDIDATES, "share": share},
            probe={"every": 1, "k": k, "sampling": {"samples": 4, "max_response_tokens": 8}},
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Bench(tmp_path_factory.mktemp("fuse"))
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Manifest:
    return run(bench.searching("whole"))


def record(folder: Path) -> dict[str, Any]:
    return dict(orjson.loads((folder / "fusion.json").read_bytes()))


def test_given_weights(bench: Bench) -> None:
    manifest = run(bench.spec("given", inputs=("experts",), weights={"algebra": 0.25, "geometry": 0.75}))
    a, b, found = (
        load_file(bench.workspace / folder / "model.safetensors")
        for folder in ("select/experts/algebra", "select/experts/geometry", "given/model")
    )
    assert found.keys() == a.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, 0.25 * a[name] + 0.75 * b[name], rtol=1e-6, atol=1e-7)
    assert manifest.metrics == {"tensors": len(a), "weight/algebra": 0.25, "weight/geometry": 0.75}
    assert record(bench.workspace / "given") == {
        "weights": {"algebra": 0.25, "geometry": 0.75},
        "tensors": len(a),
        "search": None,
    }
    assert "model/tokenizer.json" in manifest.files


def test_the_search_finds_the_expert_that_remembers(bench: Bench, whole: Manifest) -> None:
    found = record(bench.workspace / "whole")
    search = found["search"]
    scores = [c["pass_at_k"] for c in search["candidates"]]
    assert len(scores) == 1 + CANDIDATES
    assert search["candidates"][0]["weights"] == dict.fromkeys(DOMAINS, 0.5)
    assert search["chosen"] == scores.index(max(scores)) != 0
    assert found["weights"] == search["candidates"][search["chosen"]]["weights"]
    assert found["weights"]["algebra"] > 0.5
    held = search["held_out"]
    assert held["problems"] == 6
    assert held["difference"]["mean"] == pytest.approx(held["chosen"]["mean"] - held["uniform"]["mean"])
    assert held["difference"]["low"] < held["difference"]["mean"] < held["difference"]["high"]
    assert whole.metrics["search/gain"] == held["difference"]["mean"] > 0
    assert set(whole.inputs) == {"experts", "probes"}
    written = load_file(bench.workspace / "whole" / "model" / "model.safetensors")
    experts = [load_file(bench.workspace / "select/experts" / d / "model.safetensors") for d in DOMAINS]
    for name, tensor in written.items():
        exact = sum(found["weights"][d] * e[name].double() for d, e in zip(DOMAINS, experts, strict=True))
        assert isinstance(exact, torch.Tensor)
        torch.testing.assert_close(tensor.double(), exact, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("when", [0, 2, CANDIDATES + 1])
def test_killed_before_a_candidate_it_goes_on_to_the_same_result(
    bench: Bench, whole: Manifest, when: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """when: models given to the engine before the kill; the last two are for the held-out part."""
    used: list[int] = []
    give = weight_search._use

    def counted(*arguments: Any) -> None:
        if len(used) == when:
            raise Killed
        used.append(1)
        give(*arguments)

    monkeypatch.setattr(weight_search, "_use", counted)
    with pytest.raises(Killed):
        run(bench.searching(f"killed-{when}"))
    assert sealed(bench.workspace / f"killed-{when}") is None
    again: list[int] = []
    monkeypatch.setattr(weight_search, "_use", lambda *arguments: (again.append(1), give(*arguments)))
    manifest = run(bench.searching(f"killed-{when}", attempt=2))
    assert len(used) + len(again) == 1 + CANDIDATES + 2
    assert {n: f.sha256 for n, f in manifest.files.items()} == {n: f.sha256 for n, f in whole.files.items()}


def test_told_to_stop_it_keeps_what_it_measured(bench: Bench, whole: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    give = weight_search._use

    def stopping(*arguments: Any) -> None:
        give(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(weight_search, "_use", stopping)
    with pytest.raises(InterruptedError, match="the same command continues it"):
        run(bench.searching("stopped"))
    monkeypatch.undo()
    manifest = run(bench.searching("stopped", attempt=2))
    assert manifest.digest == whole.digest


def test_where_no_candidate_is_better_the_uniform_weights_stay(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_search, "_use", lambda search, weights: None)  # the same model for every weighting
    asked: list[frozenset[str]] = []
    sample = weight_search._sampled

    def noted(search: Any, weights: Any, problems: list[Problem]) -> Any:
        asked.append(frozenset(p.id for p in problems))
        return sample(search, weights, problems)

    monkeypatch.setattr(weight_search, "_sampled", noted)
    manifest = run(bench.searching("ties"))
    *searched, held = asked
    assert len(searched) == 1 + CANDIDATES
    assert len(set(searched)) == 1
    assert not held & searched[0]
    assert held | searched[0] == {p.id for p in bench.probes}
    search = record(bench.workspace / "ties")["search"]
    assert len({c["pass_at_k"] for c in search["candidates"]}) == 1  # the same seeds: the same answers
    assert search["chosen"] == 0
    assert search["held_out"]["difference"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert (manifest.metrics["weight/algebra"], manifest.metrics["search/gain"]) == (0.5, 0.0)


def test_a_probing_set_too_small_to_be_cut(bench: Bench) -> None:
    with open_work(bench.spec("small-split")) as work:
        write_problems(work.out / "probe.parquet", bench.probes[:3])
        small = InputRef(fingerprint="small-split", digest=work.seal({}).digest, path="small-split")
    spec = bench.searching("small")
    with pytest.raises(DataError, match=r"geometry has 1 probing problems, .* data\.splits\.probe"):
        run(spec.model_copy(update={"inputs": {**spec.inputs, "probes": small}}))


@pytest.mark.slow
def test_killed_for_real_it_goes_on_to_the_same_result(bench: Bench, whole: Manifest) -> None:
    for attempt in range(1, 9):
        spec = bench.searching("really-killed", attempt)
        spec.attempt_folder.mkdir(parents=True)
        spec.write(spec.attempt_folder / "spec.json")
        arguments = ["-m", "vibethinker.stages", "fuse", "--spec", str(spec.attempt_folder / "spec.json")]
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, start_new_session=True)
        kept = len(list(spec.folder.glob("work/search/*.json")))
        while process.poll() is None and len(list(spec.folder.glob("work/search/*.json"))) < kept + 2:
            time.sleep(0.01)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if (manifest := sealed(spec.folder)) is not None:
            assert attempt > 2
            assert manifest.digest == whole.digest
            return
    raise AssertionError("never came to its end")
