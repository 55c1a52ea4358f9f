"""Run folders as the real writers leave them, with simulated scores."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from tests.unit.reports import spectrum_folders
from vibethinker.data.tables import write_problems, write_samples
from vibethinker.evaluation.scores import score_domains
from vibethinker.records import Problem, Sample
from vibethinker.reports.collect import collect
from vibethinker.reports.data import ReportData
from vibethinker.runs.manifest import MANIFEST, Cost, Manifest, describe_files, seal
from vibethinker.tracking.local import LocalTracker

DOMAINS = {"algebra": "maths", "geometry": "maths", "calculus": "maths", "statistics": "maths", "code": "code"}
K = 8
STAGES = ("maths-short", "maths-long", "code")
SKILL = {"base": 0.2, **{f"expert-{d}": 0.38 for d in DOMAINS}, "fused": 0.45}
SKILL |= {f"mgpo-{s}": v for s, v in zip(STAGES, (0.52, 0.58, 0.6), strict=True)}
LATER = {**{f"hard-expert-{d}": 0.44 for d in DOMAINS}, "hard-fused": 0.53, "student": 0.64}
"""Skills of the models that the second report's rounds add."""
INJECTION = "<script>alert('owned')</script> so x = {{ 7 * 7 }} & \\boxed{4}"


def stage_of(node: str) -> str:
    """The module that makes a node, as the recipe has it."""
    if "expert-" in node and not node.startswith("benchmark-"):
        return "expert"
    last = node.rpartition("-")[2]
    named = {"hard-traces": "curriculum", "probing-sets": "probing"}.get(node)
    return (
        named
        or {"traces": "distill", "select": "select", "fuse": "fuse"}.get(last)
        or node.split("-")[0].replace("gate", "benchmark")
    )


@dataclass
class FakeRun:
    """A workspace with one run in it, written node by node."""

    workspace: Path
    run_id: str = "tiny-20260101-000000"
    questions: int = 40
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = {
            "name": "tiny",
            "description": "the whole recipe in minutes",
            "domains": DOMAINS,
            "data": {
                "sources": [{"name": "tiny-benchmark", "role": "benchmark"}, {"name": "tiny-train", "role": "train"}]
            },
            "mgpo": {"stages": [{"name": s} for s in STAGES]},
            "budget": {"limit": 0.5, "rate": 0.04},
        }

    @property
    def folder(self) -> Path:
        return self.workspace / "runs" / self.run_id

    def output(
        self, node: str, files: dict[str, bytes], seconds: float = 10, status: str = "sealed", done: bool = True
    ) -> Path:
        """A stage's folder with its files, sealed unless told otherwise."""
        fingerprint = hashlib.sha256(node.encode()).hexdigest()
        folder = self.workspace / "stages" / f"{node}-{fingerprint[:12]}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        self.nodes[node] = {
            "path": str(folder.relative_to(self.workspace)),
            "fingerprint": fingerprint,
            "status": status,
            "seconds": seconds,
            "dollars": seconds * 2 * 0.04 / 3600,
        }
        if done:
            self.seal(node, folder, seconds)
        return folder

    def seal(self, node: str, folder: Path, seconds: float) -> None:
        """Seals all files that lie in the folder itself."""
        manifest = Manifest(
            node=node,
            stage=stage_of(node),
            version=1,
            fingerprint=self.nodes[node]["fingerprint"],
            settings={},
            inputs={},
            files=describe_files(folder, [p.name for p in folder.iterdir() if p.is_file() and p.name != MANIFEST]),
            metrics={},
            cost=Cost(device_type="CPU core", devices=2, seconds=seconds, rate=0.04, attempts=1),
            versions={"torch": "2.11.0", "transformers": "5.17.0"},
            attempt="attempts/1",
            created="2026-01-01T00:00:00+00:00",
        )
        seal(folder, manifest)

    def write_run(self, status: str = "completed", **fields: Any) -> Path:
        """run.json."""
        self.folder.mkdir(parents=True, exist_ok=True)
        record = {
            "run": self.run_id,
            "profile": "tiny",
            "settings": self.settings,
            "started": "2026-01-01T00:00:00+00:00",
            "finished": "2026-01-01T00:05:00+00:00",
            "status": status,
            "nodes": self.nodes,
            "promotion": None,
            "mlflow_run": None,
        }
        (self.folder / "run.json").write_bytes(orjson.dumps(record | fields))
        return self.folder

    def problems(self, source: str, count: int) -> list[Problem]:
        return [
            Problem(
                id=f"{source}/{d}-{i}", domain=d, question=f"{d} {i}: 2 + 2 = ?", verifier=v, answer="4", source=source
            )
            for d, v in DOMAINS.items()
            for i in range(count)
        ]

    def data_stages(self) -> None:
        """ingest with 2 quarantined rows, decontaminate with 3 hits on 2 rows, split."""
        train, benchmark = self.problems("tiny-train", 50), self.problems("tiny-benchmark", self.questions)
        quarantine = [{"source": "tiny-train", "row": 3 + i, "reason": "no answer"} for i in range(2)]
        folder = self.output("ingest", {"quarantine.jsonl": b"".join(orjson.dumps(r) + b"\n" for r in quarantine)}, 1.5)
        write_problems(folder / "train.parquet", train)
        write_problems(folder / "benchmark.parquet", benchmark)
        self.seal("ingest", folder, 1.5)
        folder = self.output("decontaminate", {"hits.jsonl": b'{"train": "a"}\n{"train": "a"}\n{"train": "b"}\n'}, 2.5)
        write_problems(folder / "train.parquet", train[2:])
        self.seal("decontaminate", folder, 2.5)
        folder = self.output("split", {}, 0.4)
        write_problems(folder / "sft.parquet", train[2:])
        write_problems(folder / "benchmark.parquet", benchmark)
        self.seal("split", folder, 0.4)

    def expert(self, domain: str) -> None:
        """An expert whose Pass@8 peaks at step 120 while Pass@1 still rises."""
        rng = np.random.default_rng(len(domain))
        checkpoints = []
        for i, step in enumerate(range(0, 201, 40)):
            top, one = 0.5 + 0.09 * i - 0.02 * max(0, i - 3) * i + float(rng.normal(0, 0.01)), 0.2 + 0.04 * i
            at = {str(k): one + (top - one) * float(np.log2(k)) / 3 for k in range(1, K + 1)}
            probe = {"problems": 32, "samples": 16, "pass_at": at, "low": at["8"] - 0.1, "high": at["8"] + 0.09}
            checkpoints.append(
                {"step": step, "loss": 2.0 / (i + 1) or None, "tokens": step * 900, "probes": {domain: probe}}
            )
        self.output(f"expert-{domain}", {"trajectory.json": orjson.dumps({"k": K, "checkpoints": checkpoints})}, 24)

    def select(self) -> None:
        experts = {d: {"node": f"expert-{d}", "step": 120, "pass_at_1": 0.35, "pass_at_k": 0.77} for d in DOMAINS}
        self.output("select", {"selection.json": orjson.dumps({"rule": "pass_at_k", "k": K, "experts": experts})}, 0.3)

    def benchmark(
        self, model: str, skill: float, node: str = "", response: str = "2 + 2 = 4", paths: bool = False
    ) -> None:
        """Graded samples: a question's chance is its easiness (shared by all models) moved by the model's skill."""
        rng = np.random.default_rng(sum(model.encode()))
        easiness = np.random.default_rng(0).normal(0, 1.2, (len(DOMAINS), self.questions))
        samples = []
        for d, domain in enumerate(DOMAINS):
            logit = easiness[d] + np.log(skill / (1 - skill)) + (0.8 if model.endswith(f"expert-{domain}") else 0)
            right = rng.random((self.questions, 16)) < (1 / (1 + np.exp(-logit)))[:, None]
            samples += [
                Sample(
                    problem_id=f"tiny-benchmark/{domain}-{q}",
                    domain=domain,
                    sample=s,
                    response=response,
                    tokens=12 + s,
                    finish_reason="stop" if s else "length",
                    status="correct" if right[q, s] else "incorrect",
                    extracted="4" if right[q, s] else None,
                    reason="" if right[q, s] else "no box",
                )
                for q in range(self.questions)
                for s in range(16)
            ]
        scores = score_domains(samples, K)
        raw = {
            "model": model,
            "k": K,
            "sampling": {"maths": {"samples": 16, "temperature": 1.0}, "code": {"samples": 16, "temperature": 0.6}},
            "domains": {d: s.model_dump() for d, s in scores.items() if d != "overall"},
            "overall": scores["overall"].model_dump(),
            "digest": "d1" * 32,
        }
        if paths:
            for score in (*raw["domains"].values(), raw["overall"]):
                score["distinct_paths"] = 6 * score["pass_at_1"]
                score["paths_among"] = {"2": 1 + 0.5 * score["pass_at_1"], "8": 1 + 2 * score["pass_at_1"]}
        node = node or f"benchmark-{model}"
        folder = self.output(node, {"scores.json": orjson.dumps(raw)}, 9)
        write_samples(folder / "samples.parquet", samples)
        self.seal(node, folder, 9)

    def mgpo(self, name: str, steps: int, start: float, done: bool = True) -> None:
        """A stage of two attempts: the second repeats the last two steps of the first."""
        rng = np.random.default_rng(steps)
        folder = self.output(f"mgpo-{name}", {}, steps, "sealed" if done else "failed", done=False)
        half = steps // 2
        for attempt, (first, last) in enumerate([(1, half), (half - 1, steps)], start=1):
            with LocalTracker(folder / "attempts" / str(attempt) / "events.jsonl") as tracker:
                for step in range(first, last + 1):
                    _mgpo_step(tracker, step, min(0.95, start + 0.15 * step / steps), rng)
        if done:
            self.seal(f"mgpo-{name}", folder, steps)


WINDOW = 48


def _mgpo_step(tracker: LocalTracker, step: int, level: float, rng: np.random.Generator) -> None:
    lengths = rng.integers(4, WINDOW, 384)
    p = rng.binomial(8, rng.beta(3 * level, 3 * (1 - level), 48)) / 8
    values = {
        "reward": p.mean(),
        "p_c_mean": p.mean(),
        "w_mean": 0.55 + rng.normal(0, 0.02),
        "zero_advantage_share": ((p == 0) | (p == 1)).mean(),
        "refilled": 0.0,
        "unknown": 0.0,
        "response_tokens": lengths.mean(),
        "response_tokens_max": float(lengths.max()),
        "truncated": 0.01 * level,
        "entropy": 0.5 - 0.2 * level + rng.normal(0, 0.01),
        "gap_mean": 1e-6 * (1 + rng.random()),
        "gap_max": 1e-4 * (1 + rng.random()),
        "grad_norm": 0.3 + rng.normal(0, 0.02),
        "seconds_rollout": 0.5,
        "seconds_reward": 0.1,
        "seconds_train": 0.3,
        "seconds_reduce": 0.0,
        "seconds_sync": 0.02,
        "tokens_per_second": lengths.sum() / 0.6,
        "train_tokens_per_second": 20_000.0,
        "memory_gb": 1.5,
        "padding_share": 0.04,
    } | ({"kl_start": 1e-3 * step} if step % 10 == 0 else {})
    tracker.metrics(step, values)
    counts, edges = np.histogram(p, bins=9, range=(0, 1))
    tracker.histogram("p_c", step, edges.tolist(), counts.tolist())
    counts, edges = np.histogram(lengths, bins=16, range=(0, WINDOW))
    tracker.histogram("response_tokens", step, edges.tolist(), counts.tolist())
    if step % 10 == 1:
        tracker.samples(step, [_shown_row(step, "correct", 0.75), _shown_row(step, "incorrect", -0.25)])


def _shown_row(step: int, status: str, advantage: float) -> dict[str, object]:
    return {
        "question": f"<b>What</b> at step {step}?",
        "response": INJECTION,
        "status": status,
        "extracted": "<i>4</i>",
        "tokens": 9,
        "finish_reason": "length" if status == "incorrect" else "stop",
        "advantage": advantage,
    }


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[[], FakeRun]:
    """Makes an empty run in a workspace of its own."""
    return lambda: FakeRun(tmp_path)


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    """A completed run of the whole recipe; tests only read it."""
    run = FakeRun(tmp_path_factory.mktemp("workspace"))
    run.data_stages()
    run.output("base", {"config.json": b"{}"}, 60, status="reused")
    for domain in DOMAINS:
        run.expert(domain)
    run.select()
    run.output("fuse", {"config.json": b"{}"}, 0.8)
    for i, stage in enumerate(STAGES):
        run.mgpo(stage, (40, 30, 24)[i], 0.4 + 0.1 * i)
    for model, skill in SKILL.items():
        run.benchmark(model, skill, response=INJECTION if model == "base" else "2 + 2 = 4, so \\boxed{4}")
    run.benchmark("mgpo-code", 0.6, node="gate-mgpo-code")
    run.write_run(promotion={"decision": "promoted", "reason": "first champion", "floor": 0.1, "mean": 0.57})
    return run


@pytest.fixture(scope="session")
def rounds_run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    """A completed run with the second report's rounds; tests only read it."""
    run = FakeRun(tmp_path_factory.mktemp("rounds"), "rounds-20260101-000000", questions=20)
    run.settings |= {"sft": {"curriculum": {"epochs": 2.0}}, "self_distillation": {"keep": 4}}
    domains = list(DOMAINS)
    run.output("base", {"config.json": b"{}"}, 60, status="reused")
    teachers = {"qwen": spectrum_folders.teacher(250, 2000), "served": spectrum_folders.teacher(200, 800, 1.25)}
    spectrum_folders.distill(run, "traces", teachers, domains)
    spectrum_folders.probing(run, domains)
    for turn, start in (("", 0.2), ("hard-", 0.3)):
        if turn:
            spectrum_folders.curriculum(run, domains)
        for d in domains:
            spectrum_folders.expert(run, f"{turn}expert-{d}", [d], start)
        spectrum_folders.select(run, f"{turn}select", {d: f"{turn}expert-{d}" for d in domains})
        spectrum_folders.fuse(run, f"{turn}fuse", domains, (0.011, -0.02, 0.043) if turn else None)
    run.mgpo("maths-short", 12, 0.5)
    run.settings["mgpo"] = {"stages": [{"name": "maths-short"}]}
    own = {"mgpo-maths-short": spectrum_folders.teacher(250, 1000)}
    spectrum_folders.distill(run, "student-traces", own, domains, potential=True)
    spectrum_folders.expert(run, "student-expert-all", domains, 0.4)
    spectrum_folders.select(run, "student-select", dict.fromkeys(domains, "student-expert-all"))
    spectrum_folders.fuse(run, "student-fuse", domains)
    for model, skill in {k: v for k, v in (SKILL | LATER).items() if k not in ("mgpo-maths-long", "mgpo-code")}.items():
        run.benchmark(model, skill, paths=True)
    run.write_run()
    return run


@pytest.fixture(scope="session")
def rounds_data(rounds_run: FakeRun) -> ReportData:
    """What the report of that run shows."""
    return collect(rounds_run.folder, rounds_run.workspace)
