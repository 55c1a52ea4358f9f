"""What the tasks of one run share: its record, ledger, mirrors, and the wish to stop. Tasks find it by the run's id."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

from prefect import get_run_logger
from prefect.exceptions import MissingContextError
from prefect.runtime import flow_run
from prefect.settings import get_current_settings
from rich.markup import escape

from tasks.artifacts import PrefectMirror
from tasks.display import Display
from tasks.ending import end_killed as end_killed_flow
from vibethinker.budget.ledger import Ledger
from vibethinker.config.run import RunSettings
from vibethinker.errors import BudgetExceeded, Preempted
from vibethinker.reports.words import money
from vibethinker.runs.manifest import now
from vibethinker.runs.record import NodeState, RunKind, RunStatus, RunStore, end_killed
from vibethinker.runs.slots import CoreSlots
from vibethinker.stages.node import Node
from vibethinker.stages.recipe import fingerprints
from vibethinker.tracking.mlflow_tracker import MlflowMirror
from vibethinker.tracking.servers import mlflow_place, silence

PARENT = "run"
"""The mirror's key of the parent run."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Job:
    """What a flow is about to run."""

    kind: RunKind
    settings: RunSettings
    nodes: Mapping[str, Node]
    left_out: str = ""
    """What of it can't run on this machine, and why."""


@dataclass
class RunContext:
    """One run, in this process."""

    run: str
    settings: RunSettings
    workspace: Path
    store: RunStore
    nodes: Mapping[str, Node]
    ledger: Ledger
    mirror: MlflowMirror
    prefect: PrefectMirror
    display: Display
    slots: CoreSlots
    """Threads of the stages that run at once."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the run is told to stop."""

    def folder(self, node: str) -> Path:
        """Output's folder of a node."""
        return self.workspace / self.store.read().nodes[node].path


_open: dict[str, RunContext] = {}


def context(run: str) -> RunContext:
    """The open run's context."""
    return _open[run]


@contextmanager
def opened_run(job: Job, workspace: Path, at_end: Callable[[RunContext], object]) -> Iterator[RunContext]:
    """Opens a run; how it ended is recorded whatever happens, and at_end reports it: a failed run too, as far as it came."""
    run = _opened(job, workspace.resolve())
    _open[run.run] = run
    status: RunStatus = "failed"
    try:
        with _signals(run), _warnings(run.display.log), run.display:
            _begin(run, job.left_out)
            yield run
        status = "completed"
    except BaseException as error:
        status = _status(error)
        run.display.log(f"{status}: {type(error).__name__}: {error}")  # the terminal gets it at the very end
        raise
    finally:
        run.store.update(status=status, finished=now())
        try:
            at_end(run)
        finally:
            run.mirror.tags(PARENT, {"vibethinker.status": status})
            run.mirror.end_run(PARENT, status == "completed")
            run.mirror.close()
            run.prefect.close()
            _say_if_prefect_is_away(run)
            del _open[run.run]


def _say_if_prefect_is_away(run: RunContext) -> None:
    """Prefect's client goes on trying to send the flow run's end after our last line."""
    if said := silence(f"{get_current_settings().api.url}/health"):
        run.display.say(
            f"Prefect is away ({escape(said)}). Its client tries to send the end of the flow run for some minutes more; "
            "Ctrl-C ends that, the run's own record is complete"
        )


def _status(error: BaseException) -> RunStatus:
    match error:
        case BudgetExceeded():
            return "out_of_budget"
        case Preempted() | KeyboardInterrupt():
            return "preempted"
        case _:
            return "failed"


def _opened(job: Job, workspace: Path) -> RunContext:
    settings, nodes = job.settings, job.nodes
    states = {
        name: NodeState(path=f"stages/{name}-{fingerprint[:12]}", fingerprint=fingerprint)
        for name, fingerprint in fingerprints(nodes).items()
    }
    store = RunStore.create(workspace, settings.name, settings.model_dump(mode="json"), states, job.kind)
    store.update(flow_run=flow_run.id)
    uri, artifacts = mlflow_place(workspace)
    return RunContext(
        run=store.folder.name,
        settings=settings,
        workspace=workspace,
        store=store,
        nodes=nodes,
        ledger=Ledger(workspace / "ledger.sqlite"),
        mirror=MlflowMirror(uri, settings.registry.experiment, artifacts),
        prefect=PrefectMirror(settings.name),
        display=Display(_log(store.folder / "log.txt")),
        slots=CoreSlots(os.cpu_count() or 1, settings.compute.parallel),
    )


def _begin(run: RunContext, left_out: str) -> None:
    """Says what starts, opens its record in MLflow, and ends the records of earlier runs that were killed."""
    if left_out:
        run.display.say(escape(left_out))
    mirror, settings = run.mirror, run.settings
    mirror.start_run(
        PARENT,
        run.run,
        None,
        {"profile": settings.name, "vibethinker.run": run.run, "prefect.flow_run": str(flow_run.id)},
    )
    mirror.params(PARENT, settings.model_dump(exclude={"data", "description"}))
    here = copy_context()
    mirror.on_sent(lambda ids: here.run(_mlflow_is_open, run, ids[PARENT]))
    run.ledger.reconcile()
    place = mlflow_place(run.workspace)[0]
    run.display.say(
        f"[bold]{run.run}[/]: {len(run.nodes)} stages\n"
        f"  Prefect {escape(str(get_current_settings().api.url))}\n"
        f"  MLflow  {escape(place)}\n"
        f"  budget  {money(run.ledger.spent(account=settings.name))} of {money(settings.budget.limit)} spent\n"
        f"  log     {escape(str(run.store.folder / 'log.txt'))}\n",
        whole=True,
    )
    for killed in end_killed(run.workspace):
        run.display.say(f"{killed.run} was killed; its sealed stages are reused, and the others continue")
        if killed.mlflow_run:
            mirror.end_killed(killed.mlflow_run)
        if killed.flow_run and killed.flow_run != flow_run.id:  # a retried flow run is this one
            run.prefect.put(partial(end_killed_flow, killed.flow_run))


def _mlflow_is_open(run: RunContext, run_id: str) -> None:
    run.store.update(mlflow_run=run_id)
    if page := run.mirror.page(PARENT):
        run.prefect.link("mlflow", page, f"{run.run} in MLflow", "curves, parameters, artifacts of this run")


def _log(path: Path) -> Callable[[str], None]:
    """Writes lines to a file, with the time in UTC, and to Prefect: to the task run that says them, or else to the flow run."""
    of_flow = get_run_logger()

    def logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
        try:
            return get_run_logger()
        except MissingContextError:
            return of_flow

    def write(text: str) -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{stamp} {line}\n" for line in lines)
        for line in lines:
            logger().info("%s", line)

    return write


@contextmanager
def _warnings(write: Callable[[str], None]) -> Iterator[None]:
    """What libraries and this one warn of goes to the run's log too; Prefect's own lines are in Prefect."""

    class Log(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            write(self.format(record))

    handler = Log(logging.WARNING)
    handler.addFilter(lambda record: not record.name.startswith("prefect"))
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


@contextmanager
def _signals(run: RunContext) -> Iterator[None]:
    """The first signal asks the stages to checkpoint and leave; a second SIGINT interrupts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if run.stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        run.stop.set()
        run.display.say(
            f"{signal.Signals(number).name}: stages write a checkpoint and leave; the same command continues"
        )

    before = {number: signal.signal(number, on_signal) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
