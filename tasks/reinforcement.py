"""The signal: MGPO stages [A 3.4]."""

from tasks.context import context
from tasks.execute import execute
from tasks.stage_task import stage_task
from vibethinker.runs.manifest import Manifest


@stage_task("mgpo", run_name="mgpo-{stage}")
def mgpo(run: str, stage: str, start: Manifest, sets: Manifest) -> Manifest:
    """One reinforcement-learning stage."""
    return execute(context(run), f"mgpo-{stage}")
