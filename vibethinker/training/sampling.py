"""Rollout batches: ask, generate, grade while generating, refill, write down; a repeated step reads what was written."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from vibethinker.config.mgpo import MgpoSettings, MgpoStageSettings
from vibethinker.models.chat import decode_responses
from vibethinker.records import Verdict
from vibethinker.rollout.engine import Completion, Engine, Sampling, derive_seed
from vibethinker.training.history import Counts, History
from vibethinker.training.parallel import gather, world
from vibethinker.training.questions import prefer_uncertain, refill_order, visit_all
from vibethinker.training.rollout_files import read_rollouts, write_rollouts
from vibethinker.training.signal import Rollout, Task, carries, weigh
from vibethinker.verifiers.grading_pool import GradingPool


@dataclass(frozen=True)
class RolloutBatch:
    """What one step sampled."""

    asked: list[Rollout]
    """The step's own groups: what figures are made from."""
    learned: list[Rollout]
    """As many groups, those without advantage replaced as far as refills went: what the update learns from."""
    tokens: int
    """Of all responses sampled, those of refills that were not used too."""
    seconds: Mapping[str, float]
    """Seconds of `sync` (weights to the engine), `rollout` and `reward` (waited for after the last response); empty where it
    was read back."""

    @property
    def refilled(self) -> int:
        """Groups that were replaced."""
        asked = {id(rollout) for rollout in self.asked}
        return sum(id(rollout) not in asked for rollout in self.learned)


@dataclass(frozen=True)
class Sampler:
    """Samples a stage's problems from the engine's current weights."""

    engine: Engine
    pool: GradingPool
    tokenizer: PreTrainedTokenizerBase
    tasks: Sequence[Task]
    settings: MgpoSettings
    stage: MgpoStageSettings
    seed: int
    folder: Path
    """For what is written before the update uses it."""
    history: History
    weights: Callable[[], Mapping[str, Tensor]]
    """The trainer's current ones."""
    _seconds: dict[str, float] = field(default_factory=dict)

    def batch(self, index: int) -> RolloutBatch:
        """The index-th rollout batch, from 0: sampled and graded once, read back when it is asked for again."""
        path = self.folder / f"step-{index}.parquet"
        self._seconds.clear()
        if path.exists():
            rounds = read_rollouts(path, self._by_id)
        else:
            rounds = self._sampled(index)
            if world().first:
                write_rollouts(path, rounds)
        self.engine.sleep()  # where rollouts were read back too: the device is training's now
        sampled = list(chain.from_iterable(rounds))
        self.history.add(index + 1, self._counts(sampled))
        self._forget(index)
        tokens = sum(len(completion.token_ids) for rollout in sampled for completion in rollout.completions)
        return RolloutBatch(rounds[0], self._chosen(rounds), tokens, dict(self._seconds))

    @cached_property
    def _by_id(self) -> dict[str, Task]:
        return {task.problem.id: task for task in self.tasks}

    def _sampled(self, index: int) -> list[list[Rollout]]:
        self._update_engine()
        asked = self._ask(index)
        rounds = [self._sample(asked, index)]
        spare = refill_order(self.tasks, asked, self.seed, index) if self.settings.refills else []
        for _ in range(self.settings.refills):
            missing = len(asked) - sum(self._carries(r) for r in chain.from_iterable(rounds))
            taken, spare = spare[: max(0, missing)], spare[max(0, missing) :]
            if not taken:
                break
            rounds.append(self._sample(taken, index))
        return rounds

    def _update_engine(self) -> None:
        started = time.perf_counter()
        self.engine.update_weights(self.weights())
        self._add("sync", time.perf_counter() - started)

    def _ask(self, index: int) -> list[Task]:
        size, strength = self.settings.prompts_per_step, self.settings.prefer_uncertain
        if strength:
            rates = self.history.rates(before=index + 1)
            return prefer_uncertain(self.tasks, size, self.seed, index, rates, strength)
        return visit_all(self.tasks, size, self.seed, index)

    def _carries(self, rollout: Rollout) -> bool:
        return carries(rollout, self.settings, self.stage.long2short)

    def _chosen(self, rounds: Sequence[Sequence[Rollout]]) -> list[Rollout]:
        """The step's groups, each without advantage replaced by one that has some, as long as there are any."""
        spare = [r for refill in rounds[1:] for r in refill if self._carries(r)]
        if not spare:
            return list(rounds[0])
        spare.reverse()
        return [spare.pop() if spare and not self._carries(r) else r for r in rounds[0]]

    def _sample(self, tasks: Sequence[Task], index: int) -> list[Rollout]:
        """All groups, each process its share of them."""
        rank, count = world().rank, world().count
        shares = gather([(r.completions, r.verdicts) for r in self._generate(tasks[rank::count], index)])
        return [Rollout(task, *shares[i % count][i // count]) for i, task in enumerate(tasks)]

    def _generate(self, tasks: Sequence[Task], index: int) -> list[Rollout]:
        """Responses are graded in other processes while further ones are generated."""
        started = time.perf_counter()
        samples = self.settings.group_size
        places: dict[tuple[int, int], int] = {}

        def on_done(prompt: int, sample: int, completion: Completion) -> None:
            (text,) = decode_responses(self.tokenizer, [completion.token_ids])
            places[prompt, sample] = self.pool.submit(tasks[prompt].problem, text)
            self.pool.poll()

        how = Sampling(
            samples,
            self.stage.max_response_tokens,
            self.settings.temperature,
            seed=derive_seed(self.seed, index),
        )
        groups = self.engine.generate([task.prompt for task in tasks], how, on_done)
        generated = time.perf_counter()
        verdicts = self.pool.finish()
        self._add("rollout", generated - started)
        self._add("reward", time.perf_counter() - generated)

        def graded(prompt: int) -> tuple[Verdict, ...]:
            return tuple(verdicts[places[prompt, sample]] for sample in range(samples))

        return [
            Rollout(task, tuple(group), graded(i)) for i, (task, group) in enumerate(zip(tasks, groups, strict=True))
        ]

    def _add(self, part: str, seconds: float) -> None:
        self._seconds[part] = self._seconds.get(part, 0.0) + seconds

    def _counts(self, rollouts: Sequence[Rollout]) -> Counts:
        """What p_c is made of."""
        signal = weigh(rollouts, self.settings, self.stage.long2short)
        pairs = zip(signal.known.sum(-1).tolist(), (signal.correct & signal.known).sum(-1).tolist(), strict=True)
        return {rollout.task.problem.id: pair for rollout, pair in zip(rollouts, pairs, strict=True)}

    def _forget(self, index: int) -> None:
        """Batches before the last checkpoint are never read again."""
        if world().first and index % self.settings.checkpoint_every == 0:
            for path in self.folder.glob("step-*.*"):
                if int(re.findall(r"\d+", path.stem)[0]) < index:
                    path.unlink()
