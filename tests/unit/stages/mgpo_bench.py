"""An MGPO stage on a warm tiny model, run as the launcher runs it: in a process of its own, or in several."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.unit.training.warm import warm_model, warm_problems
from vibethinker.config.mgpo import MgpoSettings, MgpoStageSettings
from vibethinker.config.model import EngineSettings
from vibethinker.data.tables import write_problems
from vibethinker.models.checkpoint import save_model
from vibethinker.models.tiny import tiny_tokenizer
from vibethinker.runs.manifest import InputRef, Manifest
from vibethinker.runs.spec import Runtime, StageSpec
from vibethinker.runs.work import open_work

STAGE = MgpoStageSettings(name="short", domains=("algebra",), max_response_tokens=12, steps=6)
MGPO = MgpoSettings(
    group_size=6,
    prompts_per_step=4,
    tokens_per_micro_batch=256,
    checkpoint_every=2,
    learning_rate=2e-3,
    stages=(STAGE,),
)
ROOT = Path(__file__).parents[3]


class Bench:
    """One workspace with a start model and problems, in which the stage is run again and again."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        torch.set_num_threads(1)
        tokenizer, problems = tiny_tokenizer(), warm_problems()
        (workspace / "warm").mkdir(parents=True)
        model = warm_model(tokenizer, problems, workspace / "warm")
        self.inputs = {}
        for name in ("start", "split"):
            with open_work(self._spec(name, {}, Runtime())) as work:
                if name == "start":
                    save_model(work.out / "model", model, tokenizer)
                else:
                    write_problems(work.out / "rl.parquet", problems)
                digest = work.seal({}).digest
            self.inputs[name] = InputRef(fingerprint=name, digest=digest, path=name)

    def _spec(self, name: str, settings: dict[str, Any], runtime: Runtime, attempt: int = 1) -> StageSpec:
        return StageSpec(
            node=name,
            stage="mgpo",
            version=1,
            fingerprint=name,
            settings=settings,
            inputs=self.inputs if settings else {},
            folder=self.workspace / name,
            workspace=self.workspace,
            attempt=attempt,
            runtime=runtime,
        )

    def spec(
        self, name: str, attempt: int = 1, processes: int = 1, engine: EngineSettings | None = None, **mgpo: Any
    ) -> StageSpec:
        settings = {
            "mgpo": MGPO.model_copy(update=mgpo).model_dump(exclude={"stages"}),
            "stage": STAGE.model_dump(),
            "chat": {"prompt": {}, "system_prompt": ""},
            "grading": {},
            "seed": 3,
            "precision": "float32",
        }
        runtime = Runtime(threads=processes, processes=processes, engine=engine or EngineSettings())
        return self._spec(name, settings, runtime, attempt)

    def start(self, spec: StageSpec) -> "subprocess.Popen[bytes]":
        spec.attempt_folder.mkdir(parents=True)
        spec.write(spec.attempt_folder / "spec.json")
        with (spec.attempt_folder / "log.txt").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "vibethinker.stages", "mgpo", "--spec", str(spec.attempt_folder / "spec.json")],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "PYTHONHASHSEED": "0"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, spec: StageSpec) -> Manifest:
        code = self.start(spec).wait(600)
        assert code == 0, (spec.attempt_folder / "log.txt").read_text()[-3000:]
        return Manifest.read(spec.folder)

    def weights(self, spec: StageSpec) -> dict[str, Tensor]:
        return load_file(spec.folder / "model" / "model.safetensors")

    def metrics(self, spec: StageSpec) -> dict[int, dict[str, float]]:
        """Step -> figures, as this attempt wrote them."""
        path = spec.attempt_folder / "events.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        events = [json.loads(line) for line in lines]
        return {e["step"]: e["values"] for e in events if e["kind"] == "metrics"}
