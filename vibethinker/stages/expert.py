"""Expert SFT with Pass@K probes along the trajectory; only checkpoints that can still win are kept [A 3.3]."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import orjson

from vibethinker.algorithms.selection import SelectionRule, select_checkpoint
from vibethinker.algorithms.statistics import mean_interval
from vibethinker.config.sft import SftSettings
from vibethinker.config.training import ProbeSettings
from vibethinker.data.tables import read_problems
from vibethinker.evaluation.cache import SampleCache
from vibethinker.evaluation.scores import correct_counts, rates
from vibethinker.models.checkpoint import save_model
from vibethinker.models.lora import merged_state
from vibethinker.records import Problem
from vibethinker.rollout.engine import derive_seed
from vibethinker.runs.manifest import Manifest, write_atomic
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import Work, open_work
from vibethinker.stages.setting import Setting, open_setting
from vibethinker.stages.trajectory import Checkpoint, probe_points
from vibethinker.training.documents import tokenise
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.parallel import from_first
from vibethinker.training.schedule import cosine
from vibethinker.training.sft import SftObjective, count_steps


def run(spec: StageSpec) -> Manifest:
    """Seals trajectory.json and checkpoints/step-<n>/ of the checkpoints that lead in some domain under some rule."""
    with open_work(spec) as work, open_setting(spec, work.input("start") / spec.settings["start"]) as setting:
        sft, probe = (
            SftSettings.model_validate(spec.settings["sft"]),
            ProbeSettings.model_validate(spec.settings["probe"]),
        )
        domains, probing = spec.settings["domains"], read_problems(work.input("probes") / "probe.parquet")
        problems = [p for p in read_problems(work.input("traces") / "sft.parquet") if p.domain in domains]
        probes = {d: [p for p in probing if p.domain == d] for d in domains}
        rows, too_long = tokenise(problems, setting.tokenizer, setting.templates, setting.system_prompt, sft.max_length)
        steps = count_steps(len(rows), sft.batch_size, sft.epochs, sft.max_steps)
        objective = SftObjective(
            setting.model, rows, sft.batch_size, sft.tokens_per_micro_batch, setting.pad_id, setting.seed
        )
        settings = LoopSettings(
            steps=steps,
            schedule=cosine(sft.learning_rate, sft.min_learning_rate, sft.warmup, steps),
            weight_decay=sft.weight_decay,
            max_grad_norm=sft.max_grad_norm,
            checkpoint_every=probe.every,
            precision=spec.settings["precision"],
        )

        def measure(step: int, loss: float) -> Checkpoint:
            return _measure(setting, work, probes, probe, step, loss)

        def on_checkpoint(step: int, loss: float) -> Checkpoint:
            point = measure(step, loss)
            _keep_leaders(work.scratch / "candidates", point, setting, probe.k)
            return point

        start = from_first(lambda: _once(work.scratch / "start.json", lambda: measure(0, 0.0)))
        history = train(
            setting.model, objective, settings, work.scratch, work.tracker, work.stop, on_checkpoint, spec.node
        )
        trajectory = {"k": probe.k, "checkpoints": [start, *history]}
        (work.out / "trajectory.json").write_bytes(orjson.dumps(trajectory, option=orjson.OPT_INDENT_2))
        shutil.copytree(work.scratch / "candidates", work.out / "checkpoints")
        return work.seal({"steps": steps, "rows": len(rows), "too_long": too_long, "loss": history[-1]["loss"]})


def _once(path: Path, make: Callable[[], Checkpoint]) -> Checkpoint:
    """What make() returned the first time: the base model's own probe must not be repeated with trained weights."""
    if not path.exists():
        write_atomic(path, orjson.dumps(make()))
    return dict(orjson.loads(path.read_bytes()))


def _keep_leaders(folder: Path, point: Checkpoint, setting: Setting, k: int) -> None:
    """Adds the current weights as a candidate, then removes every candidate that leads nowhere: it can't win later either."""
    candidate = folder / f"step-{point['step']}"
    partial = folder.with_name("candidate-partial")
    for stale in (partial, candidate):
        shutil.rmtree(stale, ignore_errors=True)
    save_model(partial, setting.model, setting.tokenizer)
    (partial / "probe.json").write_bytes(orjson.dumps(point))
    folder.mkdir(exist_ok=True)
    partial.rename(candidate)
    points = [orjson.loads(p.read_bytes()) for p in folder.glob("*/probe.json")]
    rules: tuple[SelectionRule, ...] = get_args(SelectionRule)
    leaders = {select_checkpoint(probe_points(points, d, k), rule).step for d in point["probes"] for rule in rules}
    for other in points:
        if other["step"] not in leaders:
            shutil.rmtree(folder / f"step-{other['step']}")


def _measure(
    setting: Setting, work: Work, probes: dict[str, list[Problem]], probe: ProbeSettings, step: int, loss: float
) -> Checkpoint:
    found: dict[str, Any] = {}
    setting.engine.update_weights(merged_state(setting.model))
    for domain, problems in probes.items():
        seed = derive_seed(setting.seed, "probe", domain, step)
        with SampleCache(None, "", {}) as cache:
            samples = list(setting.runner(cache).run(problems, probe.sampling, seed))
        counts = correct_counts(samples)[domain]
        at = {str(k): float(rates(counts, k).mean()) for k in _ks(probe.k)}
        interval = mean_interval(rates(counts, probe.k))
        found[domain] = {
            "problems": len(problems),
            "samples": len(samples),
            "pass_at": at,
            "low": interval.low,
            "high": interval.high,
        }
        work.tracker.metrics(
            step, {f"probe/{domain}/pass_at_1": at["1"], f"probe/{domain}/pass_at_k": at[str(probe.k)]}
        )
    setting.engine.sleep()
    return {"step": step, "loss": loss, "probes": found}


def _ks(k: int) -> list[int]:
    """1, 2, 4, ... and K itself."""
    return sorted({2**i for i in range(k.bit_length()) if 2**i <= k} | {k})
