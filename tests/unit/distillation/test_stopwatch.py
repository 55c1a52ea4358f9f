"""Seconds add up over attempts, whether they end well or not."""

import time
from pathlib import Path

import pytest

from vibethinker.distillation.stopwatch import Stopwatch, seconds_kept


def test_attempts_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    path = tmp_path / "api.seconds"
    assert seconds_kept(path) == 0.0
    watch = Stopwatch(path)
    now[0] += 0.5
    watch.look()
    assert seconds_kept(path) == 0.0  # too soon
    now[0] += 1.5
    watch.look()
    now[0] += 0.5
    watch.look()  # killed here: half a second is lost
    assert seconds_kept(path) == 2.0
    again = Stopwatch(path)
    now[0] += 0.25
    again.look(at_once=True)
    assert seconds_kept(path) == 2.25
    assert list(tmp_path.iterdir()) == [path]
