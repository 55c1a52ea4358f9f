"""How a flow ends in Prefect's eyes: told to stop is Cancelled, out of budget is Failed by that name."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

from prefect import Flow, get_client
from prefect.client.schemas import State
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed, Failed

from vibethinker.errors import BudgetExceeded, Preempted

P = ParamSpec("P")
R = TypeVar("R")


def recipe_flow(name: str, run_name: str) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """A flow of this name; run_name may hold the parameters' names in braces."""

    def decorate(function: Callable[P, R]) -> Flow[P, R]:
        return Flow(_with_ending(function), name=name, flow_run_name=run_name, persist_result=False)

    return decorate


def _with_ending(function: Callable[P, R]) -> Callable[P, R]:
    """Gives Prefect a state in place of those two errors. Who calls the flow still gets the error: it is in the state."""

    @wraps(function)
    def ended(*arguments: P.args, **named: P.kwargs) -> R:
        state: Any
        try:
            return function(*arguments, **named)
        except (Preempted, KeyboardInterrupt) as error:
            state = Cancelled(name="Preempted", message=str(error), data=error)
        except BudgetExceeded as error:
            state = Failed(name="OutOfBudget", message=str(error), data=error)
        return cast("R", state)

    return ended


def end_killed(flow_run: str) -> None:
    """Crashed, for the flow run of an earlier process, and for those of its task runs that still count as running."""
    killed: State[Any] = Crashed(message="Its process was killed; the same command, or a retry, continues it")
    with get_client(sync_client=True) as client:
        try:
            run = client.read_flow_run(UUID(flow_run))
        except ObjectNotFound:  # of another server
            return
        if run.state is None or not run.state.is_final():
            client.set_flow_run_state(run.id, killed, force=True)
        for task in client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))):
            if task.state is None or not task.state.is_final():
                client.set_task_run_state(task.id, killed, force=True)
