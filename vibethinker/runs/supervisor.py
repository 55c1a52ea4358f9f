"""Holds a stage's process tree, and lets none of it outlive its reason to run (promise 3). Linux; standard library.

    python -I -S supervisor.py LAUNCHER_PID PIPE_FD GRACE COMMAND [ARGUMENT...]

It is a subreaper: every orphan among its descendants becomes its child, daemons included. Through the pipe the launcher
sends the moment up to which the stage may run (8 bytes: a C double on CLOCK_MONOTONIC), and another to extend it.

The stage is told to stop when that moment is reached, when the pipe ends or the launcher is gone (killed by whatever
means), or on SIGTERM, SIGINT or SIGHUP. To be told is a SIGTERM to the stage's own process only, so that its workers
stay while it writes a checkpoint. After GRACE seconds every descendant gets SIGKILL. When the stage has ended by
itself, what it left behind is killed too. The exit status is the stage's, 128 + n for signal n.

If the supervisor itself is killed, the kernel kills the stage (PDEATHSIG, set where it is reliable: this process has
one thread); what the stage had started is then swept by the launcher, or by the next one.
"""

import ctypes
import math
import os
import select
import signal
import struct
import sys
import time
from contextlib import suppress
from typing import NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
TICK = 0.5
"""Seconds between looks at whether the launcher still is the parent: a forked copy of it may hold the pipe open."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MOMENT = struct.Struct("d")
CANNOT_START = 127


def prctl(option: int, value: int) -> None:
    """Linux's prctl with one argument. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def listen() -> int:
    """Signals arrive as bytes on the returned file descriptor."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *STOP_SIGNALS):
        signal.signal(number, lambda number, frame: None)
    return reader


def start(command: list[str]) -> int:
    """Starts the stage and gives its process id."""
    supervisor = os.getpid()
    # A stop sent before the new process has its own handlers must wait for them, not vanish in ours.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    child = os.fork()
    if child == 0:
        become(command, supervisor)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    return child


def become(command: list[str], supervisor: int) -> NoReturn:
    """In the new process: ties it to the supervisor's life and turns it into the stage."""
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(CANNOT_START)
        for number in (signal.SIGCHLD, signal.SIGPIPE, *STOP_SIGNALS):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error}\n".encode())
    finally:
        os._exit(CANNOT_START)


def reap(ended: dict[int, int]) -> None:
    """Collects every child that has ended: process id -> exit status, 128 + n for signals."""
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            code = os.waitstatus_to_exitcode(found[1])
            ended[found[0]] = code if code >= 0 else 128 - code
    except ChildProcessError:
        return


def descendants() -> list[int]:
    """Process ids of everything below this process."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(name))
    found = [os.getpid()]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


def killed(pid: int) -> bool:
    """Whether the process was there to be killed."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_all(ended: dict[int, int]) -> None:
    """Kills every descendant, again and again until none is left: one may fork while another is killed."""
    while sum(killed(pid) for pid in descendants()):
        time.sleep(0.005)
        reap(ended)


def latest_moment(pipe: int) -> float:
    """The last moment in the pipe; minus infinity at its end, when the launcher is gone."""
    data = os.read(pipe, MOMENT.size * 512)
    return float(MOMENT.unpack(data[-MOMENT.size :])[0]) if data else -math.inf


def stop_signalled(wake: int) -> bool:
    """Whether one of the bytes of signals that arrived stands for a stop."""
    return any(number in STOP_SIGNALS for number in os.read(wake, 4096))


def hold(stage: int, launcher: int, pipe: int, wake: int, grace: float) -> int:
    """Waits for the stage, stops it when its time is over, and gives its exit status once nothing is left of it."""
    ended: dict[int, int] = {}
    moment, kill_at, stop, sources = math.inf, math.inf, False, [pipe, wake]
    reap(ended)
    while stage not in ended and (now := time.monotonic()) < kill_at:
        stop = stop or now >= moment or os.getppid() != launcher
        if stop and kill_at == math.inf:
            os.kill(stage, signal.SIGTERM)
            kill_at = now + grace
        wait = min(TICK, kill_at - now, math.inf if stop else moment - now)
        ready, _, _ = select.select(sources, [], [], max(0.0, wait))
        if wake in ready:
            stop = stop_signalled(wake) or stop
        if pipe in ready:
            moment = latest_moment(pipe)
            sources = [wake] if moment == -math.inf else sources
        reap(ended)
    kill_all(ended)
    return ended[stage]


def main(arguments: list[str]) -> int:
    """See the module's docstring."""
    launcher, pipe, grace = int(arguments[0]), int(arguments[1]), float(arguments[2])
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the listing's own is closed by now
            os.set_inheritable(int(descriptor), int(descriptor) <= 2)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake = listen()
    return hold(start(arguments[3:]), launcher, pipe, wake, grace)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
