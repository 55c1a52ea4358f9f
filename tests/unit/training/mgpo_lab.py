"""Builds an MGPO stage's objective anew, as a new process would, around a real model, engine and graders."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from vibethinker.config.mgpo import MgpoSettings, MgpoStageSettings
from vibethinker.models.checkpoint import eos_ids
from vibethinker.records import Problem
from vibethinker.rollout.engine import Completion, OnDone, Prompt, Sampling
from vibethinker.rollout.prompts import encode_problems
from vibethinker.rollout.transformers_engine import TransformersEngine
from vibethinker.tracking.local import LocalTracker
from vibethinker.training.batching import Batch
from vibethinker.training.history import HISTORY, History
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.mgpo import MgpoObjective
from vibethinker.training.sampling import Sampler
from vibethinker.training.schedule import constant
from vibethinker.training.signal import Task
from vibethinker.verifiers.grading_pool import GradingPool

STAGE = MgpoStageSettings(name="short", domains=("algebra",), max_response_tokens=12, steps=5)
MGPO = MgpoSettings(
    lambda_me=2.0, group_size=6, prompts_per_step=4, tokens_per_micro_batch=256, checkpoint_every=3, stages=(STAGE,)
)


class Engines(TransformersEngine):
    """The real engine, counting, and refusing to work after `allowed` calls."""

    calls = 0
    allowed = 1000

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, on_done: OnDone | None = None
    ) -> list[list[Completion]]:
        if self.calls >= self.allowed:
            raise RuntimeError("asked to generate what was written already")
        self.calls += 1
        assert sampling.top_p == 1.0
        return super().generate(prompts, sampling, on_done)


class Crashing(MgpoObjective):
    """Dies in the update of one step, after its rollouts are written."""

    crash_at: int | None = None

    def batches(self, step: int) -> list[Batch]:
        found = super().batches(step)
        if step == self.crash_at:
            raise KeyboardInterrupt
        return found


class Lab:
    """One stage, again and again."""

    def __init__(
        self,
        fresh: Callable[[], Any],
        tokenizer: Any,
        pool: GradingPool,
        tracker: LocalTracker,
        problems: list[Problem],
    ) -> None:
        self.fresh, self.tokenizer, self.pool, self.tracker, self.problems = fresh, tokenizer, pool, tracker, problems

    def objective(self, scratch: Path, settings: MgpoSettings = MGPO, stage: MgpoStageSettings = STAGE) -> Crashing:
        model = self.fresh()
        engine = Engines(model, eos_ids(model, self.tokenizer), self.tokenizer.pad_token_id)
        prompts = encode_problems(self.tokenizer, self.problems, {}, "")
        sampler = Sampler(
            engine=engine,
            pool=self.pool,
            tokenizer=self.tokenizer,
            tasks=[Task(p, q) for p, q in zip(self.problems, prompts, strict=True)],
            settings=settings,
            stage=stage,
            seed=5,
            folder=scratch / "rollouts",
            history=History(scratch / "history", stage.name, scratch.parent / "earlier" / HISTORY),
            weights=model.state_dict,
        )
        return Crashing(model, sampler, self.tracker, "float32", self.fresh)

    def train(
        self, objective: Crashing, scratch: Path, stop: Callable[[], bool] = lambda: False
    ) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
        parts, every = objective.settings.minibatches, objective.settings.checkpoint_every
        settings = LoopSettings(
            objective.stage.steps * parts, constant(2e-3), 0.0, 1.0, every * parts, "float32", False
        )

        def on_checkpoint(step: int, loss: float) -> dict[str, Any]:
            return {"step": step, "loss": loss, "reward": objective.reward}

        history = train(objective.model, objective, settings, scratch, self.tracker, stop, on_checkpoint, "mgpo")
        return objective.model.state_dict(), history


def stop_after(steps: int) -> Callable[[], bool]:
    """Says stop when it is asked for the (steps + 1)th time."""
    calls = iter(range(steps))
    return lambda: next(calls, None) is None
