"""How a stage becomes a Prefect task: the seal is the only truth about what is done, so Prefect caches and stores nothing."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE

P = ParamSpec("P")
R = TypeVar("R")


def stage_task(name: str, run_name: str | None = None) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A task of this name; run_name may hold the parameters' names in braces."""

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        return Task(function, name=name, task_run_name=run_name or name, cache_policy=NO_CACHE, persist_result=False)

    return decorate
