"""Short forms for tests: programs and calls in, values and failures out."""

import contextlib
import time
from collections.abc import Callable

import psutil
import pytest

from vibethinker.verifiers.sandbox import CodeLimits, Outcome, Request, run, sandbox_problem
from vibethinker.verifiers.sandbox.client import Kind

needs_sandbox = pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}")
LIMITS = CodeLimits(cpu_seconds=1, program_cpu_seconds=1, wall_seconds=5, memory_bytes=128 * 1024 * 1024)


def outputs(request: Request, limits: CodeLimits = LIMITS) -> tuple[list[bytes], Outcome]:
    """All outputs of a run, and how it ended."""
    found: list[bytes] = []
    outcome = run(request, limits, lambda _, output: not found.append(output))  # type: ignore[func-returns-value]
    return found, outcome


def calls(program: str, *expressions: str, limits: CodeLimits = LIMITS, kind: Kind = "canonical") -> list[str] | str:
    """The calls' values, or why there is none at all."""
    items = tuple((expression, None) for expression in expressions or ("f()",))
    found, outcome = outputs(Request(kind, program, items=items), limits)
    return outcome.failure if outcome.failure else [value.decode() for value in found]


def failure(body: str, limits: CodeLimits = LIMITS) -> str:
    """Why `f`, with this body, gave no value."""
    found = calls("def f():\n" + "\n".join("    " + line for line in body.split("\n")), limits=limits)
    assert isinstance(found, str), found
    return found


def printed(program: str, *texts: str, limits: CodeLimits = LIMITS) -> list[str] | str:
    """What the program prints for each text on standard input, or why not."""
    found, outcome = outputs(Request("stdin", program, items=tuple((text,) for text in texts or ("",))), limits)
    return outcome.failure if outcome.failure else [value.decode() for value in found]


def inside() -> set[psutil.Process]:
    """All live processes below this one, but for graders that tests of other rooms have left at work."""
    found = set()
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if not any("multiprocessing" in argument for argument in child.cmdline()):
                found |= {p for p in (child, *child.children(recursive=True)) if _lives(p)}
    return found


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def kill_inside() -> None:
    """Kills them all; some may end with others."""
    for process in inside():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.02)
    return False
