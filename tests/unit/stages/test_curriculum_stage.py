"""The hard subset by a real model's rollouts, graded for real: what is kept, recorded, refused, and left by a kill."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from tests.unit.training.warm import warm_model, warm_problems
from vibethinker.data.tables import read_problems, write_problems
from vibethinker.errors import DataError
from vibethinker.models.chat import conversation, encode_conversation
from vibethinker.models.checkpoint import load_tokenizer, save_model
from vibethinker.models.tiny import tiny_tokenizer
from vibethinker.records import Problem
from vibethinker.runs.manifest import InputRef
from vibethinker.runs.spec import Runtime, StageSpec
from vibethinker.runs.work import open_work
from vibethinker.stages import curriculum

ROOT = Path(__file__).parents[3]
SETTINGS: dict[str, Any] = {
    "min_trace_tokens": 7,
    "fail_share": 0.75,
    "sampling": {"samples": 8, "max_response_tokens": 12},
    "reference": "fused",
    "domains": ["algebra", "more"],
    "chat": {"prompt": {}, "system_prompt": ""},
    "grading": {},
    "seed": 3,
    "precision": "float32",
    "engine": "transformers",
}


def problems() -> list[Problem]:
    """Two domains of twelve that the model mostly solves; every other one with an answer that it never gives. One has none."""
    found = []
    for domain in ("algebra", "more"):
        for number, p in enumerate(warm_problems()):
            answer = "77" if number % 2 else p.answer
            found.append(p.model_copy(update={"id": f"{domain}/{number}", "domain": domain, "answer": answer}))
    return [*found, found[0].model_copy(update={"id": "u/1", "domain": "more", "answer": ""})]


def spec(workspace: Path, name: str, attempt: int = 1, **changes: Any) -> StageSpec:
    inputs = {
        i: InputRef(fingerprint=i, digest=(workspace / f"{i}.digest").read_text(), path=i)
        for i in ("reference", "traces")
        if (workspace / f"{i}.digest").exists()
    }
    return StageSpec(
        node=name,
        stage="curriculum",
        version=1,
        fingerprint=name,
        settings={**SETTINGS, **changes},
        inputs=inputs,
        folder=workspace / name,
        workspace=workspace,
        attempt=attempt,
        runtime=Runtime(threads=1),
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("curriculum")
    torch.set_num_threads(1)
    tokenizer = tiny_tokenizer()
    (place / "warm").mkdir()
    model = warm_model(tokenizer, warm_problems(), place / "warm")
    for name in ("reference", "traces"):
        with open_work(spec(place, name)) as work:
            if name == "reference":
                save_model(work.out / "model", model, tokenizer)
            else:
                write_problems(work.out / "sft.parquet", problems())
            digest = work.seal({}).digest
        (place / f"{name}.digest").write_text(digest)
    return place


def test_hard_problems_with_long_traces_are_kept(workspace: Path) -> None:
    made = spec(workspace, "plain")
    manifest = curriculum.run(made)
    rows = {row["problem_id"]: row for row in pq.read_table(made.folder / "difficulty.parquet").to_pylist()}
    assert list(rows) == [p.id for p in problems()]
    assert all(row["samples"] == 8 for name, row in rows.items() if name != "u/1")
    assert (rows["u/1"]["samples"], rows["u/1"]["kept"]) == (0, False)  # no rollout of it could be judged
    assert all(rows[p.id]["correct"] == 0 for p in problems() if p.answer == "77")
    solved = [rows[p.id]["correct"] for p in problems() if p.answer not in ("77", "")]
    assert max(solved) > 2
    kept = {p.id: p for p in read_problems(made.folder / "sft.parquet")}
    tokenizer = tiny_tokenizer()
    for p in problems():
        long = tuple(t for t in p.traces if len(tokenizer(t)["input_ids"]) >= 7)
        hard = p.id != "u/1" and rows[p.id]["correct"] <= 2
        assert rows[p.id]["longest_trace"] == max(len(tokenizer(t)["input_ids"]) for t in p.traces)
        assert (p.id in kept) == rows[p.id]["kept"] == (hard and bool(long))
        assert p.id not in kept or kept[p.id] == p.model_copy(update={"traces": long})
    counts = json.loads((made.folder / "counts.json").read_bytes())
    domains = counts.pop("domains")
    assert counts["reference"] == "fused" and counts["problems"] == 25 and counts["kept"] == len(kept)
    assert domains["more"]["problems"] == 13 and 6 <= domains["more"]["hard"] <= 12
    assert domains["algebra"]["kept"] + domains["more"]["kept"] == len(kept)
    figures = manifest.metrics
    assert figures["rollouts"] == 24 * 8 and figures["pass_rate"] == sum(solved) / (24 * 8)
    assert figures["more/kept"] == domains["more"]["kept"] and figures["traces"] >= len(kept)
    events = [json.loads(line) for line in (made.attempt_folder / "events.jsonl").read_bytes().splitlines()]
    assert [e["done"] for e in events if e["kind"] == "progress" and e["label"] == "rollouts"][-1] == 24 * 8


def test_share_and_length_of_nothing_keep_all(workspace: Path) -> None:
    made = spec(workspace, "all", fail_share=0.0, min_trace_tokens=0, sampling={"samples": 1, "max_response_tokens": 4})
    curriculum.run(made)
    assert read_problems(made.folder / "sft.parquet") == problems()


def test_a_domain_that_keeps_nothing_is_refused(workspace: Path) -> None:
    short = {"samples": 1, "max_response_tokens": 4}
    with pytest.raises(DataError, match=r"domain 'algebra': of 12 problems .* fails 0 often enough .* 12 have a"):
        curriculum.run(spec(workspace, "none", fail_share=1.1, min_trace_tokens=0, sampling=short))
    assert not (workspace / "none" / "manifest.json").exists()


def test_a_domain_without_a_long_trace_is_refused_before_any_rollout(workspace: Path) -> None:
    with pytest.raises(DataError, match=r"domain 'algebra': of 12 problems 0 have a trace of at least 500 tokens"):
        curriculum.run(spec(workspace, "brief", min_trace_tokens=500))
    assert not list((workspace / "brief" / "work").iterdir())


@pytest.mark.parametrize("traces", [(), ("2",), ("2", "", "2 2")])
def test_traces_are_counted_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch, traces: tuple[str, ...]) -> None:
    monkeypatch.setattr(curriculum, "AT_ONCE", 2)
    tokenizer, asked = tiny_tokenizer(), [p.model_copy(update={"traces": traces}) for p in problems()[:3]]
    checked: list[None] = []
    found = curriculum.trace_tokens(tokenizer, asked, lambda: checked.append(None))
    assert found == [[len(tokenizer(t)["input_ids"]) for t in traces]] * 3
    assert len(checked) == -(-3 * len(traces) // 2)


def test_a_prompt_too_long_for_the_engine_is_not_rated(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = load_tokenizer(workspace / "reference" / "model")
    lengths = {p.id: len(encode_conversation(tokenizer, conversation(p, {}, ""))) for p in problems()}
    most = max(lengths.values())
    monkeypatch.setattr(curriculum, "longest_of", lambda folder, runtime: most + 11)
    made = spec(workspace, "too-long")
    curriculum.run(made)
    rows = {row["problem_id"]: row for row in pq.read_table(made.folder / "difficulty.parquet").to_pylist()}
    long = {name for name, length in lengths.items() if length == most}
    assert {name for name, row in rows.items() if row["samples"] == 0} == long | {"u/1"} and 0 < len(long) < 24
    assert not any(rows[name]["kept"] for name in long)
    assert json.loads((made.folder / "counts.json").read_bytes())["too_long_prompts"] == len(long)


def start(made: StageSpec) -> "subprocess.Popen[bytes]":
    made.attempt_folder.mkdir(parents=True)
    made.write(made.attempt_folder / "spec.json")
    command = [sys.executable, "-m", "vibethinker.stages", "curriculum", "--spec"]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    with (made.attempt_folder / "log.txt").open("wb") as log:
        path = str(made.attempt_folder / "spec.json")
        return subprocess.Popen([*command, path], cwd=ROOT, env=variables, stdout=log, stderr=log)


def kept_rollouts(made: StageSpec) -> list[tuple[Any, ...]]:
    path = made.folder / "work" / "rollouts.sqlite"
    if not path.exists():
        return []
    with sqlite3.connect(path, timeout=30) as database:
        try:
            return database.execute("select request, sample, text from responses order by 1, 2").fetchall()
        except sqlite3.OperationalError:  # the tables are not there yet
            return []


def test_killed_between_two_batches_it_ends_with_the_same_rows(workspace: Path) -> None:
    """1,536 rollouts are three batches: what the killed attempt had is not generated again."""
    many = {"samples": 64, "max_response_tokens": 12}
    whole = spec(workspace, "whole", sampling=many)
    curriculum.run(whole)
    first, second = (spec(workspace, "killed", attempt, sampling=many) for attempt in (1, 2))
    process = start(first)
    end = time.monotonic() + 120
    while not kept_rollouts(first):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = kept_rollouts(first)
    assert 0 < len(before) < 24 * 64
    progress: list[int] = []
    (second.attempt_folder).mkdir(parents=True)
    curriculum.run(second)
    for line in (second.attempt_folder / "events.jsonl").read_bytes().splitlines():
        event = json.loads(line)
        progress += [event["done"]] if event["kind"] == "progress" else []
    assert progress[0] + 512 >= len(before) and progress[-1] == 24 * 64
    for name in ("sft.parquet", "difficulty.parquet", "counts.json"):
        assert (second.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
