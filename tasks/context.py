"""What the tasks of one run share: its record, ledger, MLflow mirror, and the wish to stop. Tasks find it by the run's id."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tasks.display import Display
from vibethinker.budget.ledger import Ledger
from vibethinker.config.profile import Profile
from vibethinker.errors import BudgetExceeded, Preempted
from vibethinker.runs.manifest import now
from vibethinker.runs.record import NodeState, RunStatus, RunStore
from vibethinker.stages.recipe import Node, fingerprints, recipe
from vibethinker.tracking.mlflow_tracker import MlflowMirror

PARENT = "run"
"""The mirror's key of the parent run."""


@dataclass
class RunContext:
    """One run, in this process."""

    run: str
    profile: Profile
    workspace: Path
    store: RunStore
    nodes: Mapping[str, Node]
    ledger: Ledger
    mirror: MlflowMirror
    display: Display
    slots: threading.BoundedSemaphore
    """As many as stages may run at once."""
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
def opened_run(profile: Profile, workspace: Path, at_end: Callable[[RunContext], object]) -> Iterator[RunContext]:
    """Opens a run; how it ended is recorded whatever happens, and at_end reports it: a failed run too, as far as it came."""
    workspace = workspace.resolve()
    nodes = recipe(profile)
    states = {
        name: NodeState(path=f"stages/{name}-{fingerprint[:12]}", fingerprint=fingerprint)
        for name, fingerprint in fingerprints(nodes).items()
    }
    store = RunStore.create(workspace, profile.name, profile.model_dump(mode="json"), states)
    uri, artifacts = mlflow_place(workspace)
    mirror = MlflowMirror(uri, profile.registry.experiment, artifacts)
    run = RunContext(
        run=store.folder.name,
        profile=profile,
        workspace=workspace,
        store=store,
        nodes=nodes,
        ledger=Ledger(workspace / "ledger.sqlite"),
        mirror=mirror,
        display=Display(),
        slots=threading.BoundedSemaphore(profile.compute.parallel),
    )
    mirror.start_run(PARENT, run.run, None, {"profile": profile.name, "vibethinker.run": run.run})
    mirror.params(PARENT, profile.model_dump(exclude={"data", "description"}))
    mirror.on_sent(lambda ids: store.update(mlflow_run=ids[PARENT]))
    run.ledger.reconcile()
    _open[run.run] = run
    run.display.say(
        f"{profile.name}: {len(nodes)} stages in {workspace}\n"
        f"Prefect {os.environ.get('PREFECT_API_URL') or 'embedded'}, MLflow {uri}, "
        f"limit ${profile.budget.limit:,.2f} ({run.ledger.spent(account=profile.name):.4f} spent)\n"
    )
    status: RunStatus = "failed"
    try:
        with _signals(run), run.display:
            yield run
        status = "completed"
    except BudgetExceeded:
        status = "out_of_budget"
        raise
    except (Preempted, KeyboardInterrupt):
        status = "preempted"
        raise
    finally:
        store.update(status=status, finished=now())
        try:
            at_end(run)
        finally:
            mirror.tags(PARENT, {"vibethinker.status": status})
            mirror.end_run(PARENT, status == "completed")
            mirror.close()
            del _open[run.run]


def mlflow_place(workspace: Path) -> tuple[str, str | None]:
    """Tracking URI and artifact root: `MLFLOW_TRACKING_URI` where it is set, else a SQLite file in the workspace."""
    configured = os.environ.get("MLFLOW_TRACKING_URI")
    if configured:
        return configured, None
    return f"sqlite:///{workspace / 'mlflow.db'}", (workspace / "mlartifacts").as_uri()


@contextmanager
def _signals(run: RunContext) -> Iterator[None]:
    """The first SIGINT or SIGTERM asks the stages to checkpoint and leave; a second SIGINT interrupts."""
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

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
