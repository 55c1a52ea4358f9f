"""How a stage becomes a Prefect task: the seal is the only truth about what is done, so Prefect caches and stores nothing."""

from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

stage_task = partial(task, cache_policy=NO_CACHE, persist_result=False, retries=0)
"""A task decorator: `@stage_task(name=...)`."""
