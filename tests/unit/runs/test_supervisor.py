"""Nothing of a stage outlives its end, its launcher or its supervisor."""

import os
import signal
import time

import pytest

from vibethinker.errors import Preempted, StageFailed
from vibethinker.runs.launch import run_stage
from vibethinker.runs.lease import LeaseTerms
from vibethinker.runs.manifest import sealed


def test_what_a_stage_leaves_behind_ends_with_it(bench, alive):
    spec = bench.spec(seconds=60.0, spawn=True)
    left = []

    def stop() -> bool:
        if (spec.folder / "work/ready").exists() and not left:
            left.extend(bench.pids(spec))
            assert all(alive(pid) for pid in left)
        return bool(left)

    with pytest.raises(Preempted, match="checkpointed and left"):
        bench.run(spec, should_stop=stop)
    assert len(left) == 4
    assert not any(alive(pid) for pid in left)


@pytest.mark.parametrize("deaf", [False, True])
def test_kill_9_of_the_launcher_ends_everything_within_the_grace_period(bench, alive, wait_for, deaf):
    grace = 1.5
    spec = bench.spec(seconds=60.0, spawn=True, deaf=deaf)
    launcher = bench.launch(spec, grace)
    pids = bench.pids(spec)
    assert all(alive(pid) for pid in pids)
    launcher.kill()
    launcher.wait()
    assert bench.ledger.reconcile() == []  # what still runs keeps its lease
    wait_for(lambda: not any(alive(pid) for pid in pids), seconds=grace + 1)
    assert (spec.folder / "work/checkpoint").exists() is not deaf
    assert sealed(spec.folder) is None
    (row,) = bench.ledger.rows()
    assert bench.ledger.reconcile() == [row["id"]]
    (row,) = bench.ledger.rows()
    assert row["settled_by"] == "reconcile"
    assert 0 < row["seconds"] <= time.time() - row["booked_at"]


def test_after_kill_9_of_a_launcher_the_next_one_waits_for_the_old_stage_and_continues(bench, alive):
    spec = bench.spec(seconds=0.3, spawn=True, deaf=True)
    old = spec.model_copy(update={"settings": spec.settings | {"seconds": 60.0}})
    launcher = bench.launch(old, grace=1.0)
    pids = bench.pids(spec)
    launcher.kill()
    launcher.wait()
    killed_at = time.time()
    manifest = bench.run(spec)
    assert not any(alive(pid) for pid in pids)
    assert manifest.cost.attempts == 2
    first, second = bench.ledger.rows()
    assert (first["settled_by"], second["settled_by"]) == ("reconcile", "holder")
    assert second["booked_at"] > killed_at + 0.8  # it did not cut the old stage's grace period short


def test_kill_9_of_the_stage_is_a_failure_that_names_the_signal(bench, alive):
    spec = bench.spec(seconds=60.0, spawn=True)
    pids = []

    def kill_stage() -> bool:
        if not pids and (spec.folder / "work/ready").exists():
            pids.extend(bench.pids(spec))
            os.kill(pids[0], signal.SIGKILL)
        return False

    with pytest.raises(StageFailed, match="killed by SIGKILL"):
        bench.run(spec, should_stop=kill_stage)
    assert not any(alive(pid) for pid in pids)
    assert sealed(spec.folder) is None


def test_kill_9_of_the_supervisor_ends_the_stage_and_what_it_started(bench, alive):
    spec = bench.spec(seconds=60.0, spawn=True)
    pids = []

    def kill_supervisor() -> bool:
        if not pids and (spec.folder / "work/ready").exists():
            pids.extend(bench.pids(spec))
            os.kill(pids[3], signal.SIGKILL)
        return False

    with pytest.raises(StageFailed, match="lost its supervisor to SIGKILL"):
        bench.run(spec, should_stop=kill_supervisor)
    assert not any(alive(pid) for pid in pids)
    assert bench.ledger.booked() == 0


def test_what_survives_launcher_and_supervisor_is_swept_and_charged_by_the_next_launcher(bench, alive, wait_for):
    spec = bench.spec(seconds=0.3, spawn=True)
    launcher = bench.launch(spec.model_copy(update={"settings": spec.settings | {"seconds": 60.0}}), grace=1.0)
    stage, deaf, daemon, supervisor = bench.pids(spec)
    launcher.send_signal(signal.SIGSTOP)  # so that it cannot sweep in between
    os.kill(supervisor, signal.SIGKILL)
    launcher.kill()
    launcher.wait()
    wait_for(lambda: not alive(stage))
    assert alive(deaf)
    assert alive(daemon)
    assert bench.ledger.reconcile() == []
    assert bench.run(spec).cost.attempts == 2
    assert not alive(deaf)
    assert not alive(daemon)
    assert [row["settled_by"] for row in bench.ledger.rows()] == ["reconcile", "holder"]


def test_sigterm_to_the_supervisor_preempts(bench):
    spec = bench.spec(seconds=60.0, spawn=True)
    sent = []

    def terminate() -> bool:
        if not sent and (spec.folder / "work/ready").exists():
            sent.append(os.kill(bench.pids(spec)[3], signal.SIGTERM))
        return False

    with pytest.raises(Preempted, match="checkpointed and left"):
        bench.run(spec, should_stop=terminate)
    assert (spec.folder / "work/checkpoint").exists()


def test_a_command_that_cannot_start_is_a_failure(bench):
    terms = LeaseTerms(account="tiny", run="r1", limit=1000.0)
    with pytest.raises(StageFailed, match=r"cannot start /no/such/program: .*No such file"):
        run_stage(bench.spec(seconds=0), ["/no/such/program"], bench.ledger, bench.events.extend, terms, lambda: False)
