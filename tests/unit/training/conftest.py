"""A tiny model that knows how an answer looks, and problems that it solves about once in four."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.training.mgpo_lab import Lab
from tests.unit.training.warm import warm_model, warm_problems
from vibethinker.models.tiny import tiny_tokenizer
from vibethinker.records import Problem
from vibethinker.tracking.local import LocalTracker
from vibethinker.verifiers.grader import Grader, GraderSettings
from vibethinker.verifiers.grading_pool import GradingPool


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return tiny_tokenizer()


@pytest.fixture(scope="session")
def problems() -> list[Problem]:
    return warm_problems()


@pytest.fixture(scope="session")
def warm(tokenizer: Any, problems: list[Problem], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return warm_model(tokenizer, problems, tmp_path_factory.mktemp("warm"))


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
