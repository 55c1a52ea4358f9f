"""One writer at a time in an output's folder, and nothing left running of writers that are gone."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vibethinker.budget.holders import FOLDER, marked
from vibethinker.errors import Preempted
from vibethinker.runs.manifest import MANIFEST
from vibethinker.runs.work import LOCK

POLL = 0.2
"""Seconds between looks."""


def next_attempt(folder: Path) -> int:
    """Number of the next attempt: one more than the highest so far, from 1."""
    attempts = folder / "attempts"
    names = [entry.name for entry in attempts.iterdir()] if attempts.exists() else []
    return 1 + max((int(name) for name in names if name.isdigit()), default=0)


@contextmanager
def locked(folder: Path, should_stop: Callable[[], bool]) -> Iterator[int]:
    """Holds the folder, waiting while another run works in it; gives the lock's file descriptor. Raises Preempted.

    The supervisor inherits the descriptor, so after the launcher's death the folder stays locked until all is gone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _try_lock(descriptor):
            if should_stop():
                raise Preempted(
                    f"stopped while waiting for another run that works on {folder.name}; nothing was started"
                )
            time.sleep(POLL)
        yield descriptor
    finally:
        os.close(descriptor)


def set_aside(folder: Path) -> None:
    """Moves a sealed output, but not the lock that the caller holds, to a folder beside it: its place is needed for a new one."""
    stale = folder.with_name(f"{folder.name}.stale-{time.time_ns()}")
    stale.mkdir()
    # the seal goes first: without it the rest doesn't count, however far this comes
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name != MANIFEST):
        if entry.name != LOCK:
            entry.rename(stale / entry.name)


def sweep(folder: Path) -> int:
    """Kills every process that works on this folder (whose lock the caller holds), and gives how many there were."""
    killed: set[int] = set()
    while strays := marked(FOLDER, str(folder)):
        for pid in strays:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed.update(strays)
        time.sleep(0.01)
    return len(killed)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
