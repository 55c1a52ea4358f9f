"""Our MGPO steps, by the trainer's own loop."""

import copy
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from signal_speed_setting import DOMAINS, GROUP, LEARNING_RATE, MICRO_BATCH_TOKENS, PROMPTS, WINDOW, Grades, Setting

from vibethinker.config.mgpo import MgpoSettings, MgpoStageSettings
from vibethinker.errors import Preempted
from vibethinker.models.checkpoint import eos_ids
from vibethinker.rollout.engine import Engine
from vibethinker.rollout.transformers_engine import TransformersEngine
from vibethinker.tracking.local import LocalTracker, read_events
from vibethinker.training.history import History
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.mgpo import MgpoObjective
from vibethinker.training.sampling import Sampler
from vibethinker.training.schedule import constant
from vibethinker.training.signal import Task

MANY = 10_000
"""Steps, more than are taken: nothing is saved, and no KL measured, in those that are."""


@dataclass
class Ours:
    """Steps until `more()` says no; figures of each."""

    setting: Setting
    grades: Grades
    make_engine: Callable[[Any, Setting], Engine]
    figures: list[dict[str, float]] = field(default_factory=list)

    def run(self, more: Callable[[], bool]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            with LocalTracker(Path(folder) / "events.jsonl") as tracker, suppress(Preempted):
                self._train(Path(folder), tracker, more)
            events = read_events(Path(folder) / "events.jsonl")
            self.figures = [event["values"] for event in events if event["kind"] == "metrics"]

    def _train(self, folder: Path, tracker: LocalTracker, more: Callable[[], bool]) -> None:
        model = copy.deepcopy(self.setting.model)
        engine = self.make_engine(model, self.setting)
        objective = _objective(model, engine, self.setting, self.grades, folder, tracker)
        settings = LoopSettings(MANY, constant(LEARNING_RATE), 0.0, 1.0, MANY, "float32")
        try:
            train(model, objective, settings, folder, tracker, lambda: not more(), lambda step, loss: {}, "mgpo")
        finally:
            engine.close()


def _objective(
    model: Any, engine: Engine, setting: Setting, grades: Grades, folder: Path, tracker: LocalTracker
) -> MgpoObjective:
    """All that the benchmark knows of how the trainer is put together."""
    stage = MgpoStageSettings(name="bench", domains=DOMAINS, max_response_tokens=WINDOW, steps=MANY)
    mgpo = MgpoSettings(
        group_size=GROUP,
        prompts_per_step=PROMPTS,
        tokens_per_micro_batch=MICRO_BATCH_TOKENS,
        checkpoint_every=MANY,
        stages=(stage,),
    )
    sampler = Sampler(
        engine=engine,
        pool=grades,  # type: ignore[arg-type]  # a rule does for a pool
        tokenizer=setting.tokenizer,
        tasks=[Task(problem, prompt) for problem, prompt in zip(setting.problems, setting.prompts, strict=True)],
        settings=mgpo,
        stage=stage,
        seed=1,
        folder=folder / "rollouts",
        history=History(folder / "history", stage.name, folder / "none"),
        weights=model.state_dict,
    )
    return MgpoObjective(model, sampler, tracker, "float32", lambda: model)


def transformers_engine(model: Any, setting: Setting) -> Engine:
    """The portable one, on the trainer's own weights."""
    return TransformersEngine(model, eos_ids(model, setting.tokenizer), int(setting.tokenizer.pad_token_id))  # type: ignore[arg-type]
