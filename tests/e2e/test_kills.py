"""Killed anywhere, the same command ends with bit-identical weights and leaves no process behind (promises 1-3)."""

import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kills import (
    VICTIMS,
    assert_nothing_left,
    attack,
    digests,
    finish,
    record,
    start,
    wait_for,
    weights,
)
from vibethinker.budget.ledger import Ledger
from vibethinker.runs.exit_codes import PREEMPTED

ROUNDS = int(os.environ.get("VIBETHINKER_KILLS", "50"))


def assert_same_end(workspace: Path, undisturbed: Path) -> None:
    assert weights(workspace) == weights(undisturbed)
    assert digests(workspace) == digests(undisturbed)
    ledger = Ledger(workspace / "ledger.sqlite")
    assert ledger.booked() == 0 and ledger.spent() > Ledger(undisturbed / "ledger.sqlite").spent() * 0.5


def test_kills_of_flow_supervisor_and_trainer(undisturbed: Path, vibethinker: Any, tmp_path: Path) -> None:
    rng = random.Random(3)
    attacks = [
        ({"expert-algebra", "expert-code"}, "flow"),
        ({"mgpo-mixed"}, "stage"),
        ({"gate-mgpo-mixed"}, "supervisor"),
    ]
    for nodes, victim in attacks:
        assert attack(tmp_path, vibethinker.environment, rng, nodes, victim).killed
    finish(tmp_path, vibethinker.environment)
    assert_same_end(tmp_path, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_told_to_stop_it_checkpoints_leaves_says_so_and_never_seals(
    number: signal.Signals, vibethinker: Any, tmp_path: Path
) -> None:
    process = start(tmp_path, vibethinker.environment)
    assert wait_for(tmp_path, process, {"base"})
    time.sleep(1)
    os.kill(process.pid, number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == PREEMPTED, output[-3000:]
    assert f"{number.name}: stages write a checkpoint and leave" in output
    assert "Preempted" in output and "same command" in output and "Traceback" not in output
    assert record(tmp_path)["status"] == "preempted"
    (base,) = (tmp_path / "stages").glob("base-*")
    assert not (base / "manifest.json").exists()
    assert_nothing_left(tmp_path)


@pytest.mark.slow
def test_many_random_kills(undisturbed: Path, vibethinker: Any, tmp_path: Path) -> None:
    """Any process, any stage, any moment. The seed is printed; VIBETHINKER_KILLS changes how many."""
    seed = int(time.time())
    print(f"seed {seed}")
    rng, done = random.Random(seed), 0
    workspace = Path(tempfile.mkdtemp(dir=tmp_path))
    while done < ROUNDS:
        # where it is killed: one of the next few stages to run
        pending = {n for n, s in record(workspace)["nodes"].items() if s["status"] not in ("sealed", "reused")}
        nodes = set(rng.sample(sorted(pending), min(3, len(pending)))) or {"ingest", "base", "expert-code"}
        attacked = attack(workspace, vibethinker.environment, rng, nodes, rng.choice(VICTIMS))
        done += attacked.killed
        print(f"{done}: {attacked}", flush=True)
        if attacked.code == 0:
            assert_same_end(workspace, undisturbed)
            workspace = Path(tempfile.mkdtemp(dir=tmp_path))
    finish(workspace, vibethinker.environment)
    assert_same_end(workspace, undisturbed)
