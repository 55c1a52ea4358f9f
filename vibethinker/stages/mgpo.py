"""MGPO: one reinforcement-learning stage, from the model of the stage before it [A 3.4]."""

from typing import Any

import orjson

from vibethinker.config.mgpo import MgpoSettings, MgpoStageSettings
from vibethinker.config.training import SamplingSettings
from vibethinker.data.tables import read_problems
from vibethinker.errors import DataError
from vibethinker.evaluation.cache import SampleCache
from vibethinker.evaluation.scores import correct_counts
from vibethinker.models.checkpoint import save_model
from vibethinker.rollout.engine import derive_seed
from vibethinker.rollout.prompts import encode_problems
from vibethinker.runs.manifest import Manifest, write_atomic
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import Work, open_work
from vibethinker.stages.setting import ENGINE, Setting, open_setting
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.mgpo import MgpoObjective, Task
from vibethinker.training.schedule import constant


def run(spec: StageSpec) -> Manifest:
    """Seals model/."""
    with open_work(spec) as work, open_setting(spec, work.input("start") / "model") as setting:
        stage = MgpoStageSettings.model_validate(spec.settings["stage"])
        mgpo = MgpoSettings.model_validate({**spec.settings["mgpo"], "stages": (stage,)})
        seed = derive_seed(setting.seed, "mgpo", stage.name)
        problems = [p for p in read_problems(work.input("split") / "rl.parquet") if p.domain in stage.domains]
        prompts = encode_problems(setting.tokenizer, problems, setting.templates, setting.system_prompt)
        tasks = [Task(p, prompt) for p, prompt in zip(problems, prompts, strict=True)]
        if stage.prefilter_samples:
            tasks = _prefilter(tasks, setting, work, stage, mgpo, seed)
        objective = MgpoObjective(
            setting.model,
            setting.tokenizer,
            setting.engine,
            setting.grader,
            tasks,
            mgpo,
            stage,
            seed,
            work.scratch,
            work.tracker,
        )
        settings = LoopSettings(
            steps=stage.steps,
            schedule=constant(mgpo.learning_rate),
            weight_decay=mgpo.weight_decay,
            max_grad_norm=mgpo.max_grad_norm,
            checkpoint_every=mgpo.checkpoint_every,
            precision=spec.settings["precision"],
        )

        def on_checkpoint(step: int, loss: float) -> dict[str, Any]:
            return {"step": step, "reward": objective.metrics()["reward"]}

        history = train(
            setting.model, objective, settings, work.scratch, work.tracker, work.stop, on_checkpoint, spec.node
        )
        save_model(work.out / "model", setting.model, setting.tokenizer)
        return work.seal({"steps": stage.steps, "problems": len(tasks), "reward": history[-1]["reward"]})


def _prefilter(
    tasks: list[Task], setting: Setting, work: Work, stage: MgpoStageSettings, mgpo: MgpoSettings, seed: int
) -> list[Task]:
    """Problems whose accuracy under the start checkpoint is neither 0 nor 1 [B]. Measured once, kept beside the checkpoints."""
    path = work.scratch / "prefilter.json"
    if not path.exists():
        sampling = SamplingSettings(
            samples=stage.prefilter_samples, max_response_tokens=stage.max_response_tokens, temperature=mgpo.temperature
        )
        with SampleCache(work.scratch / "prefilter.sqlite", "start", ENGINE) as cache:
            found = setting.runner(cache, work.check).run(
                [t.problem for t in tasks],
                sampling,
                derive_seed(seed, "prefilter"),
                lambda done, total: work.tracker.progress("prefilter", done, total),
            )
            solved = correct_counts(list(found))
        counts = {key: c for domain in solved.values() for key, (_, c) in domain.items()}
        write_atomic(path, orjson.dumps(counts))
    counts = orjson.loads(path.read_bytes())
    kept = [t for t in tasks if 0 < counts[t.problem.id] < stage.prefilter_samples]
    work.tracker.note(f"{len(kept)} of {len(tasks)} problems have a pass rate inside (0, 1) under the start checkpoint")
    if not kept:
        raise DataError(
            f"mgpo stage {stage.name}: none of {len(tasks)} problems has a pass rate inside (0, 1) in {stage.prefilter_samples} "
            "samples; raise prefilter_samples, take easier problems, or turn the filter off with prefilter_samples=0"
        )
    return kept
