"""The lock over all who share a registry."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tasks import registry_lock
from tasks.registry_lock import LockHeld, promotion_lock
from vibethinker.budget.holders import place
from vibethinker.errors import VibeThinkerError

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_lock, "WAIT", 0.3)
    monkeypatch.setattr(registry_lock, "POLL", 0.05)


def locks(registry: Any) -> list[str]:
    return [m.name for m in registry.client.search_registered_models() if m.name.endswith(".promotion-lock")]


def test_held_by_one_and_gone_afterwards(registry: Any) -> None:
    with promotion_lock(registry.client, "a", "run-1") as still_ours:
        assert still_ours() and locks(registry) == ["a.promotion-lock"]
        held = pytest.raises(LockHeld, match=r"a\.promotion-lock is held by .* pid \d+ run run-1")
        with held, promotion_lock(registry.client, "a", "run-2"):
            pass
        assert still_ours()
        with promotion_lock(registry.client, "b", "run-2") as other:
            assert other()
    assert locks(registry) == []


def test_released_when_what_it_guards_fails(registry: Any) -> None:
    with pytest.raises(ZeroDivisionError), promotion_lock(registry.client, "a", "run"):
        raise ZeroDivisionError
    assert locks(registry) == []


def test_a_dead_holders_lock_is_taken_over_and_he_notices(registry: Any, caplog: pytest.LogCaptureFixture) -> None:
    with promotion_lock(registry.client, "a", "sleeper") as sleepers:
        registry.client.set_registered_model_tag("a.promotion-lock", "time", str(time.time() - 601))
        with promotion_lock(registry.client, "a", "heir") as heirs:
            assert heirs() and not sleepers()
            assert "run sleeper" in caplog.text and "taken over" in caplog.text
        assert not sleepers()
    with promotion_lock(registry.client, "a", "sleeper"):
        registry.client.set_registered_model_tag("a.promotion-lock", "owner", "heir")  # taken over, and still held
    assert locks(registry) == ["a.promotion-lock"]  # not ours to delete
    registry.client.delete_registered_model("a.promotion-lock")


def tags(**changes: str) -> dict[str, str]:
    """A young lock of a process that lives elsewhere."""
    return {"owner": "someone", "time": str(time.time()), "place": "elsewhere", "pid": "1", "started": "1"} | changes


def test_a_young_lock_is_waited_for(registry: Any) -> None:
    registry.client.create_registered_model("a.promotion-lock", tags=tags())
    held = pytest.raises(LockHeld, match="held by someone: run the same command again later")
    with held, promotion_lock(registry.client, "a", "run"):
        pass
    registry.client.delete_registered_model("a.promotion-lock")
    assert issubclass(LockHeld, VibeThinkerError)


def test_a_killed_process_of_this_machine_leaves_no_lock(registry: Any) -> None:
    """Another process may have its id by now: then it was started at another time."""
    for pid in (str(os.getpid()), "999999999"):
        registry.client.create_registered_model("a.promotion-lock", tags=tags(place=place(), pid=pid))
        with promotion_lock(registry.client, "a", "run") as still_ours:
            assert still_ours()
    assert locks(registry) == []


def test_processes_take_turns(registry: Any, tmp_path: Path) -> None:
    """Three processes add to one number fifteen times each; without the lock they would overwrite one another."""
    number = tmp_path / "number"
    number.write_text("0")
    command = [sys.executable, str(HERE / "lock_script.py"), registry.uri, str(number), "15"]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=HERE.parents[2]) for _ in range(3)]
    said = [process.communicate(timeout=300)[1] for process in running]
    assert [p.returncode for p in running] == [0, 0, 0], said
    assert number.read_text() == "45"
    assert locks(registry) == []
