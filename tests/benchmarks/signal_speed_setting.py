"""What both trainers get: model, problems, rewards."""

import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from vibethinker.config.model import ScratchSettings
from vibethinker.data.generators import generate
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.records import Problem, Verdict
from vibethinker.rollout.engine import Prompt
from vibethinker.rollout.prompts import encode_problems
from vibethinker.tracking.local import LocalTracker
from vibethinker.training.documents import tokenise
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.schedule import constant
from vibethinker.training.sft import SftObjective

PROMPTS, GROUP, WINDOW = 32, 8, 44
LEARNING_RATE = 1e-6
"""TRL's default: no step changes the model enough to change what a later one costs."""
MICRO_BATCH_TOKENS = 8192
"""As the tiny profile says."""
DOMAINS = ("algebra", "geometry", "calculus", "statistics")
SIZES = {
    "0.2M": ScratchSettings(hidden_size=96, layers=2, heads=3, intermediate_size=256, max_length=128),
    "1M": ScratchSettings(hidden_size=192, layers=3, heads=6, intermediate_size=512, max_length=128),
}
WARM_STEPS, WARM_RATES = {"0.2M": 195, "1M": 95}, {"0.2M": 3e-3, "1M": 2e-3}
"""Until about 0.3 of the groups have no advantage, as in the tiny profile's maths stages."""
WARM_ROWS, WARM_PROBLEMS = 48, 48


class Grades(Protocol):
    """What a trainer asks for rewards: a `GradingPool`, or a rule."""

    def submit(self, problem: Problem, response: str) -> int: ...
    def poll(self) -> None: ...
    def finish(self) -> list[Verdict]: ...


class Ruled:
    """Rewards that a rule gives at once: none in the silent groups, and half of the different responses in the others."""

    def __init__(self, silent: frozenset[str]) -> None:
        """silent: ids of problems whose groups have equal rewards."""
        self._silent = silent
        self._verdicts: list[Verdict] = []

    def submit(self, problem: Problem, response: str) -> int:
        right = problem.id not in self._silent and zlib.crc32(f"{problem.id} {response}".encode()) % 2
        self._verdicts.append(Verdict(status="correct" if right else "incorrect"))
        return len(self._verdicts) - 1

    def poll(self) -> None:
        """Nothing is under way."""

    def finish(self) -> list[Verdict]:
        found, self._verdicts = self._verdicts, []
        return found


@dataclass(frozen=True)
class Setting:
    """One size."""

    model: PreTrainedModel
    """Trained a little; to be copied, not changed."""
    tokenizer: PreTrainedTokenizerBase
    problems: list[Problem]
    prompts: list[Prompt]

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    def silent(self, share: float) -> frozenset[str]:
        """Ids of that share of the problems."""
        return frozenset(p.id for p in self.problems[: round(share * len(self.problems))])


def prepare(size: str) -> Setting:
    """Warms a model on traces of the tiny generator's problems, those that will be asked among them."""
    tokenizer = tiny_tokenizer()
    model = tiny_model(SIZES[size], tokenizer, 1).eval()
    rows, _ = tokenise(_problems(WARM_PROBLEMS), tokenizer, {}, "", 128)
    objective = SftObjective(model, rows, WARM_ROWS, 1 << 15, 0)
    steps, rate = WARM_STEPS[size], constant(WARM_RATES[size])
    with tempfile.TemporaryDirectory() as folder, LocalTracker(Path(folder) / "events.jsonl") as tracker:
        settings = LoopSettings(steps, rate, 0.01, 1.0, steps, "float32")
        train(model, objective, settings, Path(folder), tracker, lambda: False, lambda step, loss: {}, "warm")
    problems = _problems(PROMPTS // len(DOMAINS))
    return Setting(model, tokenizer, problems, encode_problems(tokenizer, problems, {}, ""))


def _problems(number: int) -> list[Problem]:
    """So many of each domain of the tiny profile's maths stages."""
    return [p for domain in DOMAINS for p in islice(generate("tiny", domain, 1, "bench"), number)]


def equal_share(rewards: Sequence[float]) -> float:
    """Share of groups, each of GROUP rewards in a row, whose rewards are all equal."""
    groups = [rewards[i : i + GROUP] for i in range(0, len(rewards), GROUP)]
    return sum(len(set(group)) == 1 for group in groups) / len(groups)
