"""A tiny model that knows how an answer looks, and problems that it solves about once in four."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.training.mgpo_lab import Lab
from vibethinker.config.model import ScratchSettings
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.records import Problem
from vibethinker.tracking.local import LocalTracker
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.schedule import constant
from vibethinker.training.sft import SftObjective, tokenise
from vibethinker.verifiers.grader import Grader, GraderSettings
from vibethinker.verifiers.grading_pool import GradingPool

SCRATCH = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=64)


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return tiny_tokenizer()


@pytest.fixture(scope="session")
def problems() -> list[Problem]:
    return [
        Problem(
            id=f"t/{a}",
            domain="algebra",
            question=f"Solve {a}x = {a * (1 + a % 4)} for x.",
            verifier="maths",
            answer=str(1 + a % 4),
            traces=(f"\\boxed{{{1 + a % 4}}}", f"{a * (1 + a % 4)}/{a} \\boxed{{{1 + a % 4}}}"),
            source="t",
        )
        for a in range(2, 14)
    ]


@pytest.fixture(scope="session")
def warm(tokenizer: Any, problems: list[Problem], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Trained just enough that most responses end in a box."""
    model = tiny_model(SCRATCH, tokenizer, 1).eval()
    rows, _ = tokenise(problems, tokenizer, {}, "", 64)
    objective = SftObjective(model, rows, 24, 4096, tokenizer.pad_token_id, 0)
    settings = LoopSettings(60, constant(1e-2), 0.0, 1.0, 1000, "float32")
    folder = tmp_path_factory.mktemp("warm")
    with LocalTracker(folder / "events.jsonl") as tracker:
        train(model, objective, settings, folder, tracker, lambda: False, lambda step, loss: {}, "warm")
    return model


@pytest.fixture
def fresh(warm: Any) -> Callable[[], Any]:
    """A new copy of the warm model for every run."""
    return lambda: copy.deepcopy(warm)


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[LocalTracker]:
    with LocalTracker(tmp_path / "events.jsonl") as tracker:
        yield tracker


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    with Grader() as grader:
        yield grader


@pytest.fixture(scope="session")
def pool() -> Iterator[GradingPool]:
    with GradingPool(GraderSettings(), workers=1) as pool:
        yield pool


@pytest.fixture
def lab(
    fresh: Callable[[], Any], tokenizer: Any, pool: GradingPool, tracker: LocalTracker, problems: list[Problem]
) -> Lab:
    return Lab(fresh, tokenizer, pool, tracker, problems)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bit-identity is promised for the same number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
