"""MGPO: one reinforcement-learning stage, from the model of the stage before it [A 3.4]."""

from collections.abc import Iterable
from typing import Any

import orjson

from vibethinker.config.mgpo import MgpoSettings, MgpoStageSettings
from vibethinker.config.training import SamplingSettings
from vibethinker.data.tables import read_problems
from vibethinker.errors import DataError
from vibethinker.evaluation.cache import SampleCache
from vibethinker.models.checkpoint import save_model
from vibethinker.records import Sample
from vibethinker.rollout.engine import derive_seed
from vibethinker.rollout.prompts import encode_problems
from vibethinker.runs.manifest import Manifest, write_atomic
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import Work, open_work
from vibethinker.stages.setting import Setting, open_setting
from vibethinker.training.history import HISTORY, PREFILTER, Counts, History
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.mgpo import MgpoObjective
from vibethinker.training.parallel import from_first
from vibethinker.training.sampling import Sampler
from vibethinker.training.schedule import constant
from vibethinker.training.signal import Task
from vibethinker.verifiers.grading_pool import GradingPool


def run(spec: StageSpec) -> Manifest:
    """Seals model/ and history.parquet, the pass rates of every problem whenever it was sampled."""
    with open_work(spec) as work, open_setting(spec, work.input("start") / "model") as setting:
        stage = MgpoStageSettings.model_validate(spec.settings["stage"])
        mgpo = MgpoSettings.model_validate({**spec.settings["mgpo"], "stages": (stage,)})
        seed = derive_seed(setting.seed, "mgpo", stage.name)
        history = History(work.scratch / "history", stage.name, work.input("start") / HISTORY)
        tasks = _tasks(work, setting, stage, mgpo, seed, history)
        with GradingPool(setting.grading, setting.graders) as pool:
            sampler = Sampler(
                engine=setting.engine,
                pool=pool,
                tokenizer=setting.tokenizer,
                tasks=tasks,
                settings=mgpo,
                stage=stage,
                seed=seed,
                folder=work.scratch / "rollouts",
                history=history,
                weights=setting.model.state_dict,
            )
            reward = _train(spec, work, setting, sampler)
        save_model(work.out / "model", setting.model, setting.tokenizer)
        history.write(work.out / HISTORY, stage.steps)
        return work.seal({"steps": stage.steps, "problems": len(tasks), "reward": reward})


def _train(spec: StageSpec, work: Work, setting: Setting, sampler: Sampler) -> float:
    """Mean reward of the last rollout batch."""
    mgpo, stage = sampler.settings, sampler.stage
    precision = spec.settings["precision"]
    objective = MgpoObjective(setting.model, sampler, work.tracker, precision, setting.reference)
    settings = LoopSettings(
        steps=stage.steps * mgpo.minibatches,
        schedule=constant(mgpo.learning_rate),
        weight_decay=mgpo.weight_decay,
        max_grad_norm=mgpo.max_grad_norm,
        checkpoint_every=mgpo.checkpoint_every * mgpo.minibatches,
        precision=precision,
        gradient_checkpointing=mgpo.gradient_checkpointing,
    )

    def on_checkpoint(step: int, loss: float) -> dict[str, Any]:
        return {"step": step, "reward": objective.reward}

    history = train(setting.model, objective, settings, work.scratch, work.tracker, work.stop, on_checkpoint, spec.node)
    return float(history[-1]["reward"])


def _tasks(
    work: Work, setting: Setting, stage: MgpoStageSettings, mgpo: MgpoSettings, seed: int, history: History
) -> list[Task]:
    """The problems of the stage's domains; under a prefilter, those with accuracy neither 0 nor 1 [B]."""
    problems = [p for p in read_problems(work.input("split") / "rl.parquet") if p.domain in stage.domains]
    setting.grader.check(problems)
    prompts = encode_problems(setting.tokenizer, problems, setting.templates, setting.system_prompt)
    tasks = [Task(p, prompt) for p, prompt in zip(problems, prompts, strict=True)]
    if not stage.prefilter_samples:
        return tasks
    counts = from_first(lambda: _prefilter(tasks, setting, work, stage, mgpo, seed))
    history.add(PREFILTER, counts)
    kept = [t for t in tasks if 0 < counts[t.problem.id][1] < counts[t.problem.id][0]]
    work.tracker.note(f"{len(kept)} of {len(tasks)} problems have a pass rate inside (0, 1) under the start checkpoint")
    if not kept:
        raise DataError(
            f"mgpo stage {stage.name}: none of {len(tasks)} problems has a pass rate inside (0, 1) in {stage.prefilter_samples} "
            "samples; raise prefilter_samples, take easier problems, or turn the filter off with prefilter_samples=0"
        )
    return kept


def _prefilter(
    tasks: list[Task], setting: Setting, work: Work, stage: MgpoStageSettings, mgpo: MgpoSettings, seed: int
) -> Counts:
    """Under the start checkpoint. Measured once, kept beside the checkpoints."""
    path = work.scratch / "prefilter.json"
    if not path.exists():
        sampling = SamplingSettings(
            samples=stage.prefilter_samples, max_response_tokens=stage.max_response_tokens, temperature=mgpo.temperature
        )
        with SampleCache(work.scratch / "prefilter.sqlite", "start", setting.engine.identity) as cache:
            found = setting.runner(cache, work.check).run(
                [t.problem for t in tasks],
                sampling,
                derive_seed(seed, "prefilter"),
                lambda done, total: work.tracker.progress("prefilter", done, total),
            )
            counts = known_counts(found, mgpo.overlong)
        write_atomic(path, orjson.dumps(counts))
    return dict(orjson.loads(path.read_bytes()))


def known_counts(samples: Iterable[Sample], overlong: str) -> Counts:
    """As p_c counts them: without unknown verdicts; cut responses as `mgpo.overlong` says."""
    counts: dict[str, tuple[int, int]] = {}
    for s in samples:
        worthless = overlong == "zero" and s.finish_reason == "length"
        n, c = counts.get(s.problem_id, (0, 0))
        known, correct = worthless or s.status != "unknown", not worthless and s.status == "correct"
        counts[s.problem_id] = (n + known, c + correct)
    return counts
