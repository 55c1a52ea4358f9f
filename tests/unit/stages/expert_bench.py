"""Expert stages on a warm tiny model, each attempt in a process of its own that can be killed.

The processes are forked from one that has imported everything, so that an attempt takes a second and not ten.
"""

import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import orjson
import psutil
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.unit.training.warm import warm_model, warm_problems
from vibethinker.config.sft import SftSettings
from vibethinker.config.training import ProbeSettings, SamplingSettings
from vibethinker.data.tables import write_problems
from vibethinker.models.checkpoint import save_model
from vibethinker.models.tiny import tiny_tokenizer
from vibethinker.records import Problem
from vibethinker.runs.manifest import InputRef, Manifest, sealed
from vibethinker.runs.spec import Runtime, StageSpec
from vibethinker.runs.work import open_work
from vibethinker.stages.ending import run_module

SFT = SftSettings(
    max_steps=6,
    epochs=10,
    batch_size=8,
    max_length=64,
    learning_rate=2e-3,
    min_learning_rate=1e-4,
    tokens_per_micro_batch=256,
)
PROBE = ProbeSettings(every=2, k=4, sampling=SamplingSettings(samples=8, max_response_tokens=12))
EVENTS = 15
"""An attempt is killed after at most so many: about as many as it writes from one checkpoint to the next but one."""
PRELOADED = ["vibethinker.stages.expert", "transformers.models.llama.modeling_llama", "tests.unit.stages.expert_bench"]


def both_domains() -> list[Problem]:
    """Twelve equations, half of them called geometry."""
    return [p.model_copy(update={"domain": ("algebra", "geometry")[i % 2]}) for i, p in enumerate(warm_problems())]


class Bench:
    """One workspace with a start model, traces and probing sets."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        torch.set_num_threads(1)
        tokenizer, problems = tiny_tokenizer(), both_domains()
        (workspace / "warm").mkdir(parents=True)
        self.model, self.tokenizer = warm_model(tokenizer, problems, workspace / "warm"), tokenizer
        self.inputs: dict[str, InputRef] = {}
        with open_work(self.spec("base")) as work:
            save_model(work.out / "model", self.model, tokenizer)
            self.inputs["start"] = self.sealed("base", work.seal({}))
        self.inputs["traces"] = self.inputs["probes"] = self.split("split", problems, problems)

    def split(self, name: str, traces: list[Problem], probes: list[Problem]) -> InputRef:
        with open_work(self.spec(name)) as work:
            write_problems(work.out / "sft.parquet", traces)
            write_problems(work.out / "probe.parquet", probes)
            return self.sealed(name, work.seal({}))

    def sealed(self, name: str, manifest: Manifest) -> InputRef:
        return InputRef(fingerprint=name, digest=manifest.digest, path=name)

    def spec(
        self,
        name: str,
        attempt: int = 1,
        domains: tuple[str, ...] = ("algebra",),
        inputs: dict[str, InputRef] | None = None,
        start: str = "model",
        **sft: Any,
    ) -> StageSpec:
        settings = {
            "domains": list(domains),
            "start": start,
            "sft": SFT.model_copy(update=sft).model_dump(exclude={"mode", "curriculum"}),
            "probe": PROBE.model_dump(),
            "chat": {"prompt": {}, "system_prompt": ""},
            "grading": {},
            "seed": 3,
            "precision": "float32",
        }
        return StageSpec(
            node=name,
            stage="expert",
            version=1,
            fingerprint=name,
            settings=settings,
            inputs={**self.inputs, **(inputs or {})},
            folder=self.workspace / name,
            workspace=self.workspace,
            attempt=attempt,
            runtime=Runtime(threads=1),
        )

    def start(self, spec: StageSpec) -> BaseProcess:
        spec.attempt_folder.mkdir(parents=True)
        process = self._context.Process(target=attempt, args=(spec,))
        process.start()
        return process

    def run(self, spec: StageSpec) -> Manifest:
        finish(self.start(spec), spec)
        return Manifest.read(spec.folder)

    def killed_and_continued(self, name: str, kills: int, **changes: Any) -> Iterator[StageSpec]:
        """The attempts, each killed at a random moment of its work, until one is left in peace or came to its end before."""
        chance = random.Random(name)
        for number in range(1, kills + 2):
            spec = self.spec(name, number, **changes)
            process = self.start(spec)
            if number > kills:
                finish(process, spec)
            else:
                _until_it_said(spec, process, chance.randint(1, EVENTS))
                time.sleep(chance.uniform(0, 0.02))
                kill(process)
            yield spec
            if sealed(spec.folder) is not None:
                return


def attempt(spec: StageSpec) -> None:
    """In the process of its own."""
    with (spec.attempt_folder / "log.txt").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        ending = run_module("expert", spec)
        print(ending.said, flush=True)
        os._exit(ending.code)


def finish(process: BaseProcess, spec: StageSpec) -> None:
    process.join(300)
    assert process.exitcode == 0, (process.exitcode, (spec.attempt_folder / "log.txt").read_text()[-3000:])


def kill(process: BaseProcess) -> None:
    """With everything it started, as the supervisor would; unless it has come to its end before."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.join(60)
    assert process.exitcode in (0, -9)


def _until_it_said(spec: StageSpec, process: BaseProcess, events: int) -> None:
    deadline = time.monotonic() + 120
    path = spec.attempt_folder / "events.jsonl"
    while process.is_alive() and not (path.exists() and path.read_bytes().count(b"\n") >= events):
        assert time.monotonic() < deadline
        time.sleep(0.002)


def trajectory(spec: StageSpec) -> Any:
    return orjson.loads((spec.folder / "trajectory.json").read_bytes())


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")
