"""A workspace in which the stage `distill` is run: problems, a benchmark, and warm tiny models as teachers and student."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import torch

from tests.unit.training.warm import warm_model, warm_problems
from vibethinker.config.endpoint import EndpointSettings
from vibethinker.data.tables import read_problems, write_problems
from vibethinker.models.checkpoint import save_model
from vibethinker.models.tiny import tiny_tokenizer
from vibethinker.records import Problem
from vibethinker.runs.manifest import InputRef, Manifest
from vibethinker.runs.spec import Runtime, StageSpec
from vibethinker.runs.work import open_work
from vibethinker.stages import distill

QUESTION = "How many ways are there to colour the six faces of a cube with three colours"
MODELS = ("mgpo-short", "mgpo-long", "student")


class Bench:
    """Sealed inputs, made once."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        torch.set_num_threads(1)
        self.inputs: dict[str, InputRef] = {}
        self._seal_problems("split", "sft", warm_problems())
        benchmark = Problem(id="b/1", domain="algebra", question=QUESTION, verifier="maths", answer="57", source="b")
        self._seal_problems("ingest", "benchmark", [benchmark])
        tokenizer = tiny_tokenizer()
        (workspace / "warm").mkdir()
        model = warm_model(tokenizer, warm_problems(), workspace / "warm")
        for name in MODELS:
            with open_work(self._spec(name, {}, {})) as work:
                save_model(work.out / "model", model, tokenizer)
                self._sealed(name, work.seal({}))

    @property
    def model(self) -> Path:
        """A teacher's folder."""
        return self.workspace / MODELS[0] / "model"

    def _seal_problems(self, name: str, file: str, problems: Sequence[Problem]) -> None:
        with open_work(self._spec(name, {}, {})) as work:
            write_problems(work.out / f"{file}.parquet", problems)
            self._sealed(name, work.seal({}))

    def _sealed(self, name: str, manifest: Manifest) -> None:
        self.inputs[name] = InputRef(fingerprint=name, digest=manifest.digest, path=name)

    def with_problems(self, name: str, problems: Sequence[Problem]) -> None:
        """Another split, under this name."""
        self._seal_problems(name, "sft", problems)

    def spec(
        self,
        name: str,
        teachers: Sequence[Mapping[str, Any]],
        places: Mapping[str, str],
        attempt: int = 1,
        split: str = "split",
        **settings: Any,
    ) -> StageSpec:
        given = {
            "teachers": list(teachers),
            "keep": 2,
            "ngram": 10,
            "chat": {"prompt": {}, "system_prompt": ""},
            "grading": {"code": {}},
            "seed": 3,
            "precision": "float32",
            "engine": "transformers",
        }
        inputs = {**{k: v for k, v in self.inputs.items() if k in ("ingest", *MODELS)}, "split": self.inputs[split]}
        return self._spec(name, given | settings, inputs, dict(places), attempt)

    def _spec(
        self,
        name: str,
        settings: Mapping[str, Any],
        inputs: Mapping[str, InputRef],
        places: Mapping[str, str] | None = None,
        attempt: int = 1,
    ) -> StageSpec:
        return StageSpec(
            node=name,
            stage="distill",
            version=1,
            fingerprint=name,
            settings=dict(settings),
            inputs=dict(inputs),
            places=dict(places or {}),
            folder=self.workspace / name,
            workspace=self.workspace,
            attempt=attempt,
            runtime=Runtime(),
        )


def teacher(name: str, samples: int = 4, **more: Any) -> dict[str, Any]:
    """As a node's settings have it."""
    sampling = {"samples": samples, "max_response_tokens": 12, "temperature": 1.0, "top_p": 1.0}
    return {"name": name, "domains": [], "sampling": sampling} | more


def served(url: str, **more: Any) -> str:
    """An endpoint's place."""
    return EndpointSettings(base_url=url, model="served", **({"concurrency": 1, "retries": 0} | more)).model_dump_json()


def run(spec: StageSpec) -> tuple[dict[str, Any], dict[str, Problem], list[dict[str, Any]]]:
    """counts.json, the sealed problems by their ids, and the rows of traces.parquet."""
    distill.run(spec)
    counts = orjson.loads((spec.folder / "counts.json").read_bytes())
    problems = {p.id: p for p in read_problems(spec.folder / "sft.parquet")}
    return counts, problems, pq.read_table(spec.folder / "traces.parquet").to_pylist()
