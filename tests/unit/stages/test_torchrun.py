"""A training stage in two processes: by torchrun, under the real launcher and supervisor."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.torch import load_file

from vibethinker.budget.ledger import Ledger
from vibethinker.data.tables import write_problems
from vibethinker.errors import Preempted, StageFailed
from vibethinker.records import Problem
from vibethinker.runs.launch import run_stage
from vibethinker.runs.lease import LeaseTerms
from vibethinker.runs.manifest import InputRef, Manifest
from vibethinker.runs.spec import Runtime, StageSpec
from vibethinker.runs.work import open_work

TERMS = LeaseTerms(account="t", run="r", limit=1e9, grace=20.0)
STEPS = 30


class Bench:
    """Base training of a tiny model, in one process or in two."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.events: list[dict[str, Any]] = []
        self.pids: list[int] = []
        spec = self._spec("split", {}, {}, 1)
        with open_work(spec) as work:
            write_problems(work.out / "pretrain.parquet", [problem(i) for i in range(40)])
            sealed = work.seal({})
        self.split = InputRef(fingerprint="split", digest=sealed.digest, path="split")

    def _spec(self, name: str, settings: dict[str, Any], inputs: dict[str, InputRef], processes: int) -> StageSpec:
        return StageSpec(
            node=name,
            stage=name.split("-")[0],
            version=1,
            fingerprint=name,
            settings=settings,
            inputs=inputs,
            folder=self.workspace / name,
            workspace=self.workspace,
            runtime=Runtime(threads=2, devices=2, processes=processes),
        )

    def base(self, processes: int, **scratch: Any) -> StageSpec:
        tiny = {"hidden_size": 32, "layers": 1, "heads": 1, "intermediate_size": 32, "max_length": 64}
        settings = {
            "source": "scratch",
            "scratch": tiny | {"steps": STEPS, "batch_size": 8} | scratch,
            "seed": 3,
            "chat": {"prompt": {}, "system_prompt": ""},
            "precision": "float32",
        }
        return self._spec(f"base-{processes}", settings, {"split": self.split}, processes)

    def run(self, spec: StageSpec, should_stop: Callable[[], bool] = lambda: False) -> Manifest:
        command = [sys.executable, "-m", "vibethinker.stages", spec.stage, "--spec"]
        return run_stage(
            spec, command, Ledger(self.workspace / "ledger.sqlite"), self.events.extend, TERMS, should_stop
        )

    def when_at(self, step: int, act: Callable[[list[psutil.Process]], bool]) -> Callable[[], bool]:
        """Does something to the stage's processes, by rank, once, when that many steps are done."""

        def look() -> bool:
            done = max((e["done"] for e in self.events if e["kind"] == "progress"), default=0)
            if done < step or self.pids:
                return False
            ranks = sorted(
                (p for p in psutil.Process().children(recursive=True) if "vibethinker.stages.rank" in p.cmdline()),
                key=lambda p: p.environ()["RANK"],
            )
            self.pids = [p.pid for p in ranks]
            return act(ranks)

        return look

    def log(self, spec: StageSpec, attempt: int = 1) -> str:
        return (spec.folder / "attempts" / str(attempt) / "log.txt").read_text()


def problem(i: int) -> Problem:
    return Problem(
        id=f"t/{i}",
        domain="algebra",
        question=f"Solve {i}x = {i} for x.",
        verifier="maths",
        answer="1",
        traces=(f"{i}/{i} \\boxed{{1}}",),
        source="t",
    )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_stopped_it_checkpoints_and_continues_to_one_seal(bench: Bench) -> None:
    spec = bench.base(2, steps=400)
    with pytest.raises(Preempted, match="checkpointed and left"):
        bench.run(spec, bench.when_at(5, lambda ranks: True))
    assert len(bench.pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in bench.pids)
    (checkpoint,) = (spec.folder / "work").glob("checkpoint-*")
    assert bench.log(spec).count("Preempted") == 1
    step = int(checkpoint.name.split("-")[1])
    print(bench.log(spec))
    manifest = bench.run(spec)
    notes = [e["text"] for e in bench.events if e["kind"] == "note"]
    assert notes == [f"continues from its checkpoint at step {step}"]
    print(bench.log(spec, 2), manifest.cost)
