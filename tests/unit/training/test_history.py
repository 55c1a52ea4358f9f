"""Pass rates are kept from step to step, from attempt to attempt, from stage to stage."""

from pathlib import Path

import pyarrow.parquet as pq

from vibethinker.training.history import HISTORY, PREFILTER, History


def test_rates_are_the_latest_before_a_step(tmp_path: Path) -> None:
    history = History(tmp_path / "steps", "short", tmp_path / "none")
    history.add(PREFILTER, {"a": (4, 1), "b": (4, 2)})
    history.add(1, {"a": (8, 6), "c": (0, 0)})
    history.add(2, {"a": (8, 8)})
    assert history.rates(before=1) == {"a": 0.25, "b": 0.5}
    assert history.rates(before=2) == {"a": 0.75, "b": 0.5}  # c: no verdict was known
    assert history.rates(before=3) == {"a": 1.0, "b": 0.5}


def test_another_attempt_knows_what_was_written_and_keeps_it(tmp_path: Path) -> None:
    History(tmp_path / "steps", "short", tmp_path / "none").add(1, {"a": (8, 6)})
    again = History(tmp_path / "steps", "short", tmp_path / "none")
    assert again.rates(before=2) == {"a": 0.75}
    again.add(1, {"a": (8, 6)})
    again.add(2, {"a": (8, 2)})
    again.write(tmp_path / HISTORY, steps=2)
    rows = pq.read_table(tmp_path / HISTORY).to_pylist()
    assert [(r["stage"], r["step"], r["problem"], r["samples"], r["correct"]) for r in rows] == [
        ("short", 1, "a", 8, 6),
        ("short", 2, "a", 8, 2),
    ]


def test_a_stage_goes_on_from_the_one_before(tmp_path: Path) -> None:
    first = History(tmp_path / "first", "short", tmp_path / "none")
    first.add(1, {"a": (8, 6), "b": (8, 4)})
    first.write(tmp_path / HISTORY, steps=1)
    second = History(tmp_path / "second", "long", tmp_path / HISTORY)
    assert second.rates(before=PREFILTER) == {"a": 0.75, "b": 0.5}
    second.add(1, {"a": (8, 0)})
    assert second.rates(before=2) == {"a": 0.0, "b": 0.5}
    second.write(tmp_path / "both.parquet", steps=1)
    assert [r["stage"] for r in pq.read_table(tmp_path / "both.parquet").to_pylist()] == ["short", "short", "long"]
