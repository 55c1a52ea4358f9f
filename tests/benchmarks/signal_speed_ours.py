"""Our MGPO steps, by the trainer's own loop."""

import copy
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from signal_speed_setting import DOMAINS, GROUP, LEARNING_RATE, MICRO_BATCH_TOKENS, PROMPTS, WINDOW, Grades, Setting

from vibethinker.config.mgpo import MgpoSettings, MgpoStageSettings
from vibethinker.config.model import EngineSettings
from vibethinker.errors import Preempted
from vibethinker.models.checkpoint import eos_ids, save_model
from vibethinker.rollout.engine import Engine
from vibethinker.rollout.transformers_engine import TransformersEngine
from vibethinker.rollout.vllm_engine import VllmEngine
from vibethinker.tracking.local import LocalTracker, read_events
from vibethinker.training.history import History
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.mgpo import MgpoObjective
from vibethinker.training.sampling import Sampler
from vibethinker.training.schedule import constant
from vibethinker.training.signal import Task

MANY = 10_000
"""Steps, more than are taken: nothing is saved, and no KL measured, in those that are."""


Run = Callable[[Callable[[], bool]], None]
"""Takes steps until what it is given, and asks before each, says no."""


@dataclass
class Ours:
    """Our trainer with an engine; figures of each step once it has run."""

    setting: Setting
    grades: Grades
    make_engine: Callable[[Any, Setting], Engine]
    figures: list[dict[str, float]] = field(default_factory=list)

    @contextmanager
    def ready(self) -> Iterator[Run]:
        """Everything but the steps, which may be taken in another thread."""
        model = copy.deepcopy(self.setting.model)
        engine = self.make_engine(model, self.setting)
        with tempfile.TemporaryDirectory() as name, LocalTracker(Path(name) / "events.jsonl") as tracker:
            folder = Path(name)
            objective = _objective(model, engine, self.setting, self.grades, folder, tracker)
            settings = LoopSettings(MANY, constant(LEARNING_RATE), 0.0, 1.0, MANY, "float32")

            def run(more: Callable[[], bool]) -> None:
                with suppress(Preempted):
                    train(model, objective, settings, folder, tracker, lambda: not more(), lambda *_: {}, "mgpo")
                events = read_events(folder / "events.jsonl")
                self.figures = [event["values"] for event in events if event["kind"] == "metrics"]

            try:
                yield run
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


def vllm_engine(model: Any, setting: Setting) -> Engine:
    """vLLM in this process."""
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder) / "model", model, setting.tokenizer)
        return VllmEngine(Path(folder) / "model", EngineSettings(kind="vllm", kv_cache_gb=0.13), "float32", 1)
