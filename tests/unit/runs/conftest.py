"""A workspace with a ledger, and ways to run the stage script in it."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vibethinker.budget.ledger import Ledger
from vibethinker.runs.fingerprint import fingerprint
from vibethinker.runs.launch import run_stage
from vibethinker.runs.lease import LeaseTerms
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import Runtime, StageSpec

HERE = Path(__file__).parent
STAGE = [sys.executable, str(HERE / "stage_script.py")]


def wait_for(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The condition's first true value; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclass
class Bench:
    """One stage in one workspace."""

    workspace: Path
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.workspace / "ledger.sqlite")

    def spec(self, **settings: Any) -> StageSpec:
        identity = fingerprint("test", 1, settings, {})
        return StageSpec(
            node="node",
            stage="test",
            version=1,
            fingerprint=identity,
            settings=settings,
            folder=self.workspace / "stages" / f"node-{identity[:12]}",
            workspace=self.workspace,
            runtime=Runtime(devices=2, rate=3600.0),  # 2 dollars a second
        )

    def run(
        self,
        spec: StageSpec,
        should_stop: Callable[[], bool] = lambda: False,
        limit: float = 1000.0,
        seconds: float = 30.0,
        grace: float = 2.0,
    ) -> Manifest:
        terms = LeaseTerms(account="tiny", run="r1", limit=limit, seconds=seconds, grace=grace)
        return run_stage(spec, STAGE, self.ledger, self.events.extend, terms, should_stop)

    def launch(self, spec: StageSpec, grace: float) -> subprocess.Popen[str]:
        """The same in a process that can be killed."""
        path = self.workspace / f"{spec.fingerprint}.json"
        spec.write(path)
        command = [sys.executable, HERE / "launcher_script.py", path, self.ledger.path, str(grace)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def pids(self, spec: StageSpec) -> list[int]:
        """Stage, its child that ignores SIGTERM, its daemon, the supervisor: waited for until all run."""
        path = spec.folder / "work" / "pids"
        wait_for((spec.folder / "work" / "ready").exists)
        return [int(pid) for pid in path.read_text().split()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(name="wait_for")
def _wait_for() -> Callable[..., Any]:
    return wait_for


@pytest.fixture(name="alive")
def _alive() -> Callable[[int], bool]:
    return alive
