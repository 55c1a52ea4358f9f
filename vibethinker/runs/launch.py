"""Runs one stage in a supervised process, inside a lease, until it is sealed."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibethinker.budget.holders import FOLDER, LEASE
from vibethinker.budget.ledger import Ledger
from vibethinker.errors import BudgetExceeded, Preempted, StageFailed
from vibethinker.runs.exit_codes import PREEMPTED
from vibethinker.runs.folder import POLL, locked, next_attempt, set_aside, sweep
from vibethinker.runs.lease import LeaseKeeper, LeaseTerms
from vibethinker.runs.manifest import Manifest, sealed
from vibethinker.runs.slots import GpuSlots
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.supervised import Supervised
from vibethinker.runs.work import WORK
from vibethinker.tracking.local import EventTail

Events = list[dict[str, Any]]
LOG_LINES = 20
NO_GPUS = GpuSlots()
LEFT = {
    PREEMPTED: "checkpointed and left",
    128 + signal.SIGTERM: "was stopped before it had begun to work",
    -signal.SIGTERM: "was stopped before it had started",
}
"""How a process that was told to stop may end, by exit code; a negative one is the supervisor's own."""
KILLED = 128 + signal.SIGKILL


def run_stage(
    spec: StageSpec,
    command: Sequence[str],
    ledger: Ledger,
    on_events: Callable[[Events], None],
    terms: LeaseTerms,
    should_stop: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    gpus: GpuSlots = NO_GPUS,
) -> Manifest:
    """Runs `command` with the path of the attempt's spec.json as its last argument, and gives the seal.

    The spec's attempt and earlier seconds are filled in here. Two calls for one folder work one after the other, and
    the second finds the seal. A sealed output that was made from inputs of other contents is set aside.
    `on_events` gets new events while the stage runs, `should_stop` is asked several times a second, `environment` is what
    the stage's environment is made from (this process's, if None). Its GPUs are waited for before anything is booked.
    Raises BudgetExceeded (limit reached, before or while running), Preempted (told to stop, or the ledger is away),
    StageFailed, SealError, LedgerAway (ledger away before the start), ConfigError (fewer GPUs than it needs).
    """
    environment = os.environ if environment is None else environment
    with locked(spec.folder, should_stop) as lock:
        if (manifest := sealed(spec.folder)) is not None:
            if manifest.made_from(spec.inputs):
                return _tidy(spec.folder, manifest)
            set_aside(spec.folder)
        if should_stop():
            raise Preempted(f"{spec.node} was not started: the run was told to stop")
        with gpus.taken(should_stop) as held:
            spec = _new_attempt(spec, ledger)
            keeper = LeaseKeeper(ledger, terms, spec)
            variables = stage_environment(spec, keeper.lease.id, {**environment, **held.variables(environment)})
            try:
                ending = _supervise(
                    spec, command, (lock, *held.locks), keeper, terms, on_events, should_stop, variables
                )
            finally:
                sweep(spec.folder)
                seconds = keeper.settle()
        if (manifest := sealed(spec.folder)) is not None:
            return _tidy(spec.folder, manifest)
        raise _unsealed(spec, ending, seconds, terms)


@dataclass(frozen=True)
class _Ending:
    code: int
    stopped: bool
    """This launcher told it to stop."""
    refusal: Exception | None
    """Why its lease was not renewed."""


def _new_attempt(spec: StageSpec, ledger: Ledger) -> StageSpec:
    """The spec with its attempt's number and the cost so far, written to the attempt's own folder."""
    ledger.reconcile()  # first: what still runs of an earlier attempt is charged up to now
    sweep(spec.folder)
    ledger.reconcile()
    attempt = next_attempt(spec.folder)
    spent = ledger.attempt_seconds(spec.fingerprint, before=attempt)
    runtime = spec.runtime.model_copy(update={"spent_seconds": spent})
    spec = spec.model_copy(update={"attempt": attempt, "runtime": runtime})
    spec.attempt_folder.mkdir(parents=True)
    spec.write(spec.attempt_folder / "spec.json")
    return spec


def _supervise(
    spec: StageSpec,
    command: Sequence[str],
    locks: Sequence[int],
    keeper: LeaseKeeper,
    terms: LeaseTerms,
    on_events: Callable[[Events], None],
    should_stop: Callable[[], bool],
    variables: Mapping[str, str],
) -> _Ending:
    """Starts the stage and follows it to its end."""
    folder = spec.attempt_folder
    tail = EventTail(folder / "events.jsonl")
    stopped = False
    stage = Supervised(
        [*command, str(folder / "spec.json")], variables, folder / "log.txt", locks, terms.grace, keeper.until
    )
    try:
        while (code := stage.wait(POLL)) is None:
            _forward(tail, on_events)
            if not stopped and should_stop():
                stopped = True
                stage.stop()
            if not stopped and keeper.renew_if_due():
                stage.extend(keeper.until)
    finally:
        stage.end()
    _forward(tail, on_events)
    return _Ending(code, stopped, keeper.refusal if time.monotonic() >= keeper.until else None)


def stage_environment(spec: StageSpec, lease: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The given variables and those that a stage's process needs: threads that don't spin, fixed hashing, its marks."""
    return {
        **environment,
        "OMP_NUM_THREADS": str(spec.runtime.threads),
        "OMP_WAIT_POLICY": "passive",  # spinning threads of parallel stages take the cores from one another
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONHASHSEED": "0",
        LEASE: lease,
        FOLDER: str(spec.folder),
    }


def _forward(tail: EventTail, on_events: Callable[[Events], None]) -> None:
    if events := tail.read():
        on_events(events)


def _tidy(folder: Path, manifest: Manifest) -> Manifest:
    """Removes the scratch that a stage killed right after its seal left."""
    shutil.rmtree(folder / WORK, ignore_errors=True)
    return manifest


def _unsealed(spec: StageSpec, ending: _Ending, seconds: float, terms: LeaseTerms) -> Exception:
    """What an attempt without a seal ended with."""
    told = ending.stopped or ending.refusal is not None
    ways = LEFT | ({KILLED: f"was killed, not having left within {terms.grace:g} s"} if told else {})
    if ending.code not in ways:
        return StageFailed(_failure(spec, ending.code))
    what = (
        f"{spec.node} {ways[ending.code]} after {seconds:.0f} s; the same command continues it from its last checkpoint"
    )
    if isinstance(ending.refusal, BudgetExceeded) and not ending.stopped:
        return BudgetExceeded(f"{ending.refusal}. {what}")
    return Preempted(f"{what} ({ending.refusal})" if ending.refusal and not ending.stopped else what)


def _failure(spec: StageSpec, code: int) -> str:
    path = spec.attempt_folder / "log.txt"
    lines = path.read_text(errors="replace").splitlines()[-LOG_LINES:] if path.exists() else []
    head = f"{spec.node} {_meaning(code)}; "
    return "\n".join([f"{head}log {path} ends with:", *lines]) if lines else f"{head}its log {path} is empty"


def _meaning(code: int) -> str:
    if code < 0:
        return f"lost its supervisor to {signal.Signals(-code).name}"
    if code == 0:
        return "ended without a seal"
    if code == KILLED:
        return "was killed by SIGKILL, by someone or by the kernel for want of memory"
    if code - 128 in set(signal.Signals):
        return f"was killed by {signal.Signals(code - 128).name}"
    return f"ended with exit code {code}"
