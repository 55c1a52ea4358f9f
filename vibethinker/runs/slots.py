"""What a stage waits for before it starts: cores of its run, and GPUs of the machine that are its alone.

Cores are shared out among the stages of one run. A GPU is held by a locked file in a folder of this user's: other runs
and other workspaces on the machine see it. The supervisor inherits the lock, so the GPU comes free when nothing is left
of the stage, however its launcher ended.
"""

import fcntl
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vibethinker.errors import ConfigError, Preempted
from vibethinker.runs.folder import POLL
from vibethinker.runs.gpus import Gpu, restricted_to

Say = Callable[[str], None]


class CoreSlots:
    """Threads and places for the stages of one run, given in the order in which they are asked for."""

    def __init__(self, threads: int, stages: int) -> None:
        """threads: cores of the machine; stages: how many may run at once."""
        self._threads, self._stages = threads, stages
        self._running: list[int] = []
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, threads: int, say: Say) -> Iterator[None]:
        """Waits until so many are free, and says so where it has to. One that wants more than there are runs alone."""
        turn = object()
        with self._changed:
            self._queue.append(turn)
            try:
                if not self._fits(turn, threads):
                    say(f"waits for {threads} of {self._threads} cores: {len(self._running)} stages run")
                self._changed.wait_for(lambda: self._fits(turn, threads))
                self._running.append(threads)
            finally:
                self._queue.remove(turn)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._running.remove(threads)
                self._changed.notify_all()

    def _fits(self, turn: object, threads: int) -> bool:
        if self._queue[0] is not turn:
            return False
        free = len(self._running) < self._stages and sum(self._running) + threads <= self._threads
        return free or not self._running


@dataclass(frozen=True)
class Held:
    """GPUs that a stage has to itself."""

    gpus: tuple[Gpu, ...] = ()
    locks: tuple[int, ...] = ()
    """File descriptors: whoever has one open holds its GPU."""

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What the stage's process is told of them; nothing where it holds none."""
        return restricted_to(self.gpus, environment)


@dataclass(frozen=True)
class GpuSlots:
    """How one stage takes its GPUs; by default none."""

    wanted: int = 0
    """How many."""
    gpus: tuple[Gpu, ...] = ()
    """Those that it may take."""
    folder: Path = Path()
    """Where they are locked: `locks_folder()`."""
    label: str = ""
    """Who holds them, for others who wait."""
    say: Say = lambda text: None
    """Is told what is waited for, whenever that changes."""

    @contextmanager
    def taken(self, should_stop: Callable[[], bool]) -> Iterator[Held]:
        """All of them at once, so that two stages never wait for each other's. Raises Preempted; ConfigError where there are too few."""
        if self.wanted > len(self.gpus):
            raise ConfigError(
                f"{self.label} needs {self.wanted} GPUs, and {len(self.gpus)} can be seen; lower compute.devices_per_stage "
                "and compute.processes, or set CUDA_VISIBLE_DEVICES to more"
            )
        said = ""
        with ExitStack() as locks:
            while isinstance(found := self._try(locks), str):
                if should_stop():
                    raise Preempted(f"{self.label} was stopped while it waited for a GPU; nothing was started")
                if found != said:
                    self.say(said := found)
                time.sleep(POLL)
            yield found

    def _try(self, locks: ExitStack) -> Held | str:
        """The first that are free, or what is waited for. One stage of the machine tries at a time: a try of two would fail both."""
        if not self.wanted:
            return Held()
        held: dict[Gpu, int] = {}
        busy: list[str] = []
        with ExitStack() as tried, _locked(self.folder / "trying"):
            for gpu in self.gpus:
                path = self.folder / f"gpu-{gpu.identity}"
                if (descriptor := _lock(path)) is None:
                    busy.append(f"GPU {gpu.entry} is held by {path.read_text(errors='replace') or 'another stage'}")
                    continue
                tried.callback(os.close, descriptor)
                held[gpu] = descriptor
                if len(held) == self.wanted:
                    for taken in held.values():
                        os.ftruncate(taken, 0)
                        os.pwrite(taken, self.label.encode(), 0)
                    locks.push(tried.pop_all())
                    return Held(tuple(held), tuple(held.values()))
        return f"waits for {self.wanted} of {len(self.gpus)} GPUs: {', '.join(busy)}"


def locks_folder(parent: Path = Path("/tmp")) -> Path:  # noqa: S108  checked below to be ours
    """A folder of this user's, the same for every workspace, whatever the environment says.

    Raises ConfigError where its name is taken by someone else.
    """
    folder = parent / f"vibethinker-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigError(f"{folder}, where GPUs are locked, is not a folder of this user's; remove it")
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int | None:
    """A descriptor that holds the file, or None where another does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
