"""A run under attack: starts it, kills one of its processes at a chosen moment, and looks at what is left."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from vibethinker.runs.manifest import Manifest, sealed

ROOT = Path(__file__).parents[2]
MICRO = ROOT / "tests" / "micro.yaml"
VICTIMS = ("flow", "supervisor", "stage")
GONE_WITHIN = 60.0
"""Seconds: a stage's grace, and something for a busy machine."""


def start(workspace: Path, environment: dict[str, str], *more: str) -> subprocess.Popen[str]:
    """`vibethinker run` in a session of its own, as a terminal would start it."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", str(MICRO), "--workspace", str(workspace), *more],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def record(workspace: Path) -> dict[str, Any]:
    """The newest run's record."""
    found = [json.loads(path.read_bytes()) for path in (workspace / "runs").glob("*/run.json")]
    return max(found, key=lambda r: (r["started"], r["run"])) if found else {"nodes": {}, "status": ""}


def wait_for(workspace: Path, process: subprocess.Popen[str], nodes: set[str] | None = None) -> str:
    """The node that runs first among these (any, if None), or '' if the run ends before one does."""
    while process.poll() is None:
        now = record(workspace)
        running = [n for n, s in now["nodes"].items() if s["status"] == "running"] if now["status"] == "running" else []
        for node in running:
            if nodes is None or node in nodes:
                return node
        time.sleep(0.05)
    return ""


def left(workspace: Path) -> list[psutil.Process]:
    """Processes that work for this workspace: it is in their command line or environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            texts = [*process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(workspace) in text for text in texts):
                found.append(process)
    return found


def pick(workspace: Path, process: subprocess.Popen[str], victim: str) -> int | None:
    """Process id of the victim, while there is one: of any stage that runs now."""
    if victim == "flow":
        return process.pid
    for candidate in left(workspace):
        with suppress(psutil.Error):
            words = " ".join(candidate.cmdline())
            if "vibethinker.stages" in words and ("supervisor.py" in words) == (victim == "supervisor"):
                return candidate.pid
    return None


def kill(pid: int | None) -> bool:
    """Whether there was something to kill."""
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def assert_nothing_left(workspace: Path) -> None:
    """Waits for the grace period at most."""
    deadline = time.monotonic() + GONE_WITHIN
    while (strays := left(workspace)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not strays, [(p.pid, p.cmdline()) for p in strays if p.is_running()]


def finish(workspace: Path, environment: dict[str, str]) -> None:
    """The same command to its end."""
    process = start(workspace, environment)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output[-3000:]
    assert_nothing_left(workspace)


def digests(workspace: Path) -> dict[str, str]:
    """Node -> digest of its sealed output, with every file there as recorded."""
    found = {}
    for folder in sorted((workspace / "stages").iterdir()):
        manifest = sealed(folder)
        assert manifest is not None, f"{folder} is not sealed"
        found[manifest.node] = manifest.digest
    return found


def weights(workspace: Path) -> str:
    """Digest of the final model's weights."""
    (folder,) = (workspace / "stages").glob("mgpo-mixed-*")
    return Manifest.read(folder).files["model/model.safetensors"].sha256


@dataclass(frozen=True)
class Attack:
    """One run that was attacked."""

    victim: str
    node: str
    """Node that ran first among those it was attacked at; '' if the run ended before any did."""
    delay: float
    """Seconds after that node had started."""
    killed: bool
    """Whether there was something to kill."""
    code: int
    """How the run ended."""


def attack(workspace: Path, environment: dict[str, str], rng: random.Random, nodes: set[str], victim: str) -> Attack:
    """Starts the run, and kills one of its processes a while after one of the nodes has started."""
    process = start(workspace, environment)
    node, delay = wait_for(workspace, process, nodes), rng.uniform(0, 6)
    with suppress(subprocess.TimeoutExpired):
        process.wait(delay)
    killed = process.poll() is None and kill(pick(workspace, process, victim))
    output, _ = process.communicate(timeout=600)
    assert_nothing_left(workspace)
    if killed and victim == "flow":
        assert process.returncode == -signal.SIGKILL
    elif process.returncode:
        assert killed and process.returncode == 1, output[-3000:]
    return Attack(victim, node, delay, killed, process.returncode)
