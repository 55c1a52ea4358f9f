"""An expert stage: what it seals, and that killed at any moment it seals the same."""

import math
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
import torch

from tests.unit.stages.expert_bench import PROBE, Bench, both_domains, trajectory, weights
from vibethinker.config.sft import LoraSettings
from vibethinker.errors import Preempted
from vibethinker.models.checkpoint import eos_ids, load_model
from vibethinker.rollout.engine import Completion, OnDone, Prompt, Sampling
from vibethinker.rollout.transformers_engine import TransformersEngine
from vibethinker.runs.manifest import Manifest, sealed
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import open_work
from vibethinker.stages.probes import Prober, probing_sets
from vibethinker.stages.select import run as select
from vibethinker.stages.setting import open_setting
from vibethinker.stages.trajectory import Checkpoint
from vibethinker.tracking.local import read_events
from vibethinker.training.documents import tokenise
from vibethinker.training.sft import document_losses


@pytest.fixture(scope="module")
def bench(expert_bench: Bench) -> Bench:
    return expert_bench


@pytest.fixture(scope="module")
def undisturbed(bench: Bench) -> StageSpec:
    spec = bench.spec("undisturbed")
    bench.run(spec)
    return spec


def files(spec: StageSpec) -> dict[str, str]:
    """Name -> digest of everything that was sealed."""
    return {name: record.sha256 for name, record in Manifest.read(spec.folder).files.items()}


def test_a_trajectory_holds_what_the_report_shows(bench: Bench, undisturbed: StageSpec) -> None:
    found = trajectory(undisturbed)
    assert found["k"] == PROBE.k
    assert [c["step"] for c in found["checkpoints"]] == [0, 2, 4, 6]
    assert found["checkpoints"][0]["loss"] == 0.0
    own = [p.id for p in both_domains() if p.domain == "algebra"]
    for checkpoint in found["checkpoints"]:
        assert list(checkpoint["probes"]) == ["algebra"]
        probe = checkpoint["probes"]["algebra"]
        assert (probe["problems"], probe["samples"]) == (6, 48)
        assert list(probe["counts"]) == own and all(n == 8 for n, _ in probe["counts"].values())
        correct = [c for _, c in probe["counts"].values()]
        assert list(probe["pass_at"]) == ["1", "2", "4"]
        assert probe["pass_at"]["1"] == pytest.approx(sum(correct) / 48)
        unsolved = [math.comb(8 - c, 4) / math.comb(8, 4) for c in correct]
        assert probe["pass_at"]["4"] == pytest.approx(1 - sum(unsolved) / 6)
        assert probe["low"] <= probe["pass_at"]["4"] <= probe["high"]
        solved = sum(c > 0 for c in correct)
        assert solved / 6 <= probe["paths"] <= sum(correct) / 6
    losses = [c["probes"]["algebra"]["loss"] for c in found["checkpoints"]]
    assert losses[-1] < losses[0]  # it probes what it trained on
    assert any(c["loss"] > 0 for c in found["checkpoints"])


def test_the_held_out_loss_is_the_start_models_own(bench: Bench, undisturbed: StageSpec) -> None:
    problems = [p for p in both_domains() if p.domain == "algebra"]
    documents, _ = tokenise(problems, bench.tokenizer, {}, "", 64)
    losses = document_losses(bench.model, documents, 4096, "float32")
    tokens = [sum(d.learnt) for d in documents]
    expected = sum(x * n for x, n in zip(losses, tokens, strict=True)) / sum(tokens)
    assert trajectory(undisturbed)["checkpoints"][0]["probes"]["algebra"]["loss"] == pytest.approx(expected, rel=1e-4)


def test_weights_lie_on_the_disk_once(undisturbed: StageSpec) -> None:
    folder = undisturbed.folder
    names = {p.name for p in (folder / "checkpoints").iterdir()}
    assert "step-6" in names and len(names) <= 4
    last, final = (folder / place / "model.safetensors" for place in ("checkpoints/step-6", "final"))
    assert os.path.samefile(last, final)
    assert not list(folder.rglob("probe.json"))
    assert load_model(folder / "final", "cpu").config.vocab_size > 0


def test_people_see_progress_and_responses(undisturbed: StageSpec) -> None:
    events = list(read_events(undisturbed.attempt_folder / "events.jsonl"))
    progress = [e for e in events if e["kind"] == "progress" and e["label"] == "probe algebra"]
    assert progress[-1]["done"] == progress[-1]["total"] == 48
    shown = {e["step"]: e["rows"] for e in events if e["kind"] == "samples"}
    assert list(shown) == [0, 2, 4, 6] and all(len(rows) == 4 for rows in shown.values())
    assert set(shown[0][0]) == {"question", "response", "status", "extracted", "tokens", "finish_reason"}
    figures = {e["step"]: e["values"] for e in events if e["kind"] == "metrics" and "probe/algebra/loss" in e["values"]}
    assert list(figures) == [0, 2, 4, 6]


@pytest.mark.parametrize("runs", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_killed_at_random_it_seals_the_same(bench: Bench, undisturbed: StageSpec, runs: int) -> None:
    for run in range(runs):
        attempts = list(bench.killed_and_continued(f"killed-{runs}-{run}", 4))
        assert len(attempts) > 1
        assert files(attempts[-1]) == files(undisturbed)
        trained = False
        for spec in attempts:
            events = list(read_events(spec.attempt_folder / "events.jsonl"))
            assert not trained or all(e["step"] for e in events if e["kind"] == "samples"), "the start was probed again"
            trained = trained or any(e["kind"] == "metrics" and e["step"] for e in events)


def test_adapters_are_trained_and_sealed_merged_killed_or_not(bench: Bench) -> None:
    lora = {"lora": LoraSettings(rank=4, alpha=8)}
    whole = bench.spec("lora", **lora)
    bench.run(whole)
    start, final = weights(bench.workspace / "base" / "model"), weights(whole.folder / "final")
    assert start.keys() == final.keys()
    changed = {name for name, tensor in start.items() if not torch.equal(final[name], tensor)}
    assert changed and all(".layers." in name and "norm" not in name for name in changed)
    attempts = list(bench.killed_and_continued("lora-killed", 1, **lora))
    assert files(attempts[-1]) == files(whole)
    probes = [c["probes"]["algebra"] for c in trajectory(whole)["checkpoints"]]
    assert probes[-1]["loss"] < probes[0]["loss"]


def test_one_trajectory_gives_an_expert_to_every_domain(bench: Bench) -> None:
    spec = bench.spec("all", domains=("algebra", "geometry"), batch_of="packs", batch_size=2)
    reference = bench.sealed("all", bench.run(spec))
    assert all(set(c["probes"]) == {"algebra", "geometry"} for c in trajectory(spec)["checkpoints"])
    chosen = selected(bench, spec, "select-all", {"algebra": "all", "geometry": "all"}, {"all": reference})
    for domain in ("algebra", "geometry"):
        step = chosen[domain]["step"]
        rates = {c["step"]: c["probes"][domain]["pass_at"]["4"] for c in trajectory(spec)["checkpoints"] if c["step"]}
        assert rates[step] == max(rates.values()) == chosen[domain]["pass_at_k"]
        source, copy = spec.folder / f"checkpoints/step-{step}", bench.workspace / f"select-all/experts/{domain}"
        assert os.path.samefile(source / "model.safetensors", copy / "model.safetensors")
        assert {p.name for p in source.iterdir()} == {p.name for p in copy.iterdir()}


def selected(
    bench: Bench, spec: StageSpec, name: str, experts: dict[str, str], inputs: Any, rule: str = "pass_at_k"
) -> Any:
    changes = {"node": name, "fingerprint": name, "stage": "select", "folder": bench.workspace / name, "inputs": inputs}
    select(spec.model_copy(update={**changes, "settings": {"rule": rule, "experts": experts}}))
    assert sealed(bench.workspace / name)
    return orjson.loads((bench.workspace / name / "selection.json").read_bytes())["experts"]


def test_a_second_round_starts_from_the_last_checkpoint(bench: Bench, undisturbed: StageSpec) -> None:
    first = bench.sealed("undisturbed", Manifest.read(undisturbed.folder))
    spec = bench.spec("hard", inputs={"start": first}, start="final", max_steps=2)
    bench.run(spec)
    before, after = (trajectory(s)["checkpoints"] for s in (undisturbed, spec))
    assert after[0]["probes"]["algebra"]["loss"] == pytest.approx(before[-1]["probes"]["algebra"]["loss"], rel=1e-6)
    assert [c["step"] for c in after] == [0, 2]


def test_a_probing_set_without_traces_has_no_held_out_loss(bench: Bench) -> None:
    bare = [p.model_copy(update={"traces": ()}) for p in both_domains()]
    spec = bench.spec("bare", inputs={"probes": bench.split("bare-split", both_domains(), bare)}, max_steps=2)
    bench.run(spec)
    assert {c["probes"]["algebra"]["loss"] for c in trajectory(spec)["checkpoints"]} == {None}


def test_a_domain_without_probing_problems_is_named(bench: Bench) -> None:
    geometry = [p for p in both_domains() if p.domain == "geometry"]
    spec = bench.spec("blind", inputs={"probes": bench.split("blind-split", both_domains(), geometry)})
    process = bench.start(spec)
    process.join(120)
    assert process.exitcode not in (0, None)
    assert "domain algebra has no probing problems" in (spec.attempt_folder / "log.txt").read_text()


class Counting(TransformersEngine):
    """The real engine, which writes down what it is asked, and tells its process to stop after so many batches."""

    asked: list[tuple[str, int]]
    batches = 1000

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, on_done: OnDone | None = None
    ) -> list[list[Completion]]:
        self.asked += [(p.key, sampling.first + i) for p in prompts for i in range(sampling.samples)]
        self.batches -= 1
        if not self.batches:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().generate(prompts, sampling, on_done)


def probe(spec: StageSpec, batches: int, asked: list[tuple[str, int]]) -> Checkpoint:
    """One problem a batch."""
    with open_work(spec) as work, open_setting(spec, work.input("start") / "model") as setting:
        engine = Counting(setting.model, eos_ids(setting.model, setting.tokenizer), setting.pad_id, rows=8)
        engine.batches, engine.asked = batches, asked
        sets = probing_sets(both_domains(), ("algebra", "geometry"), setting, 64)
        return Prober(replace(setting, engine=engine), work, PROBE, sets, 256).measure(2, 0.5)


def test_stopped_in_a_probe_it_samples_the_rest(bench: Bench) -> None:
    whole: list[tuple[str, int]] = []
    expected = probe(bench.spec("probe-whole"), 1000, whole)
    asked: list[tuple[str, int]] = []
    for number, batches in enumerate((2, 1, 4), start=1):  # the second domain begins at the seventh
        with pytest.raises(Preempted):
            probe(bench.spec("probe-stopped", number), batches, asked)
        assert len(asked) < len(whole)
    assert probe(bench.spec("probe-stopped", 4), 1000, asked) == expected
    assert asked == whole and len(set(asked)) == 12 * 8
    assert probe(bench.spec("probe-stopped", 5), 0, asked) == expected  # killed before its checkpoint was written
    assert asked == whole
