"""What an MGPO stage said of itself, read back, and in one line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibethinker.reports.data import Curves
from vibethinker.reports.signal_events import SHOWN_STEPS, few, read_curves
from vibethinker.reports.signal_summary import summarise
from vibethinker.tracking.local import LocalTracker

ROW = {"question": "2 + 2?", "response": "4", "status": "correct", "extracted": None}


def test_a_later_attempt_counts_where_steps_are_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "mgpo-a-0123456789ab"
    for attempt, reward in (("2", 0.2), ("10", 0.9)):
        with LocalTracker(folder / "attempts" / attempt / "events.jsonl") as tracker:
            tracker.metrics(1, {"reward": reward})
            tracker.histogram("response_tokens", 1, [0, 8, 16], [int(attempt), 0])
            tracker.samples(1, [{**ROW, "response": attempt}])
    found = read_curves(folder)
    assert found.node == "mgpo-a" and found.metrics == {"reward": [(1, 0.9)]} and found.p_c == ()
    assert [h.counts for h in found.lengths] == [(10, 0)]
    assert [r.response for r in found.responses] == ["10"]


def test_rows_of_older_runs_lack_some_fields(tmp_path: Path) -> None:
    with LocalTracker(tmp_path / "mgpo-a-0" / "attempts" / "1" / "events.jsonl") as tracker:
        tracker.samples(
            3, [ROW, {**ROW, "tokens": 7, "finish_reason": "length", "advantage": -0.5, "response": "x" * 9000}]
        )
        tracker.metrics(3, {"tokens_per_second": 5.0})
    old, new = read_curves(tmp_path / "mgpo-a-0").responses
    assert (old.tokens, old.finish_reason, old.advantage, old.extracted) == (None, "", None, "")
    assert (new.tokens, new.finish_reason, new.advantage) == (7, "length", -0.5)
    assert len(new.response) < 2000 and "7,500 characters left out" in new.response


def test_speed_of_older_runs_is_that_of_training(tmp_path: Path) -> None:
    for name, values in (("old", {}), ("new", {"train_tokens_per_second": 7.0})):
        with LocalTracker(tmp_path / f"{name}-0" / "attempts" / "1" / "events.jsonl") as tracker:
            tracker.metrics(1, {"tokens_per_second": 5.0, **values})
    assert read_curves(tmp_path / "old-0").metrics == {"train_tokens_per_second": [(1, 5.0)]}
    assert read_curves(tmp_path / "new-0").metrics["tokens_per_second"] == [(1, 5.0)]


@given(st.sets(st.integers(0, 10_000)))
def test_few_steps_with_the_ends(steps: set[int]) -> None:
    found = few(steps)
    assert len(found) == min(len(steps), SHOWN_STEPS) and found == sorted(set(found)) and set(found) <= steps
    if steps:
        assert found[0] == min(steps) and (len(steps) == 1 or found[-1] == max(steps))


def test_summary_by_hand() -> None:
    metrics = {
        "reward": [(s, s / 16) for s in range(1, 17)],  # the first and the last two of sixteen steps
        "gap_mean": [(1, 1e-6), (2, 3e-6)],
        "gap_max": [(1, 5e-4), (2, 4e-4)],
        "kl_start": [(8, 0.5), (16, 0.25)],
        "seconds_rollout": [(1, 2.0), (2, 3.0)],
        "seconds_reduce": [(1, 1e-5), (2, 1e-5)],
        "memory_gb": [(1, 3.0), (2, 2.0)],
    }
    (found,) = summarise([Curves("mgpo-a", metrics), Curves("mgpo-b", {})])
    assert found.steps == 16 and found.reward == pytest.approx((1.5 / 16, 15.5 / 16))
    assert (found.gap, found.gap_max, found.kl) == (pytest.approx(2e-6), 5e-4, 0.25)
    assert found.seconds == {"rollout": 5.0} and found.memory_gb == 3.0
    assert (found.truncated, found.speed, found.padding) == (None, None, None)
