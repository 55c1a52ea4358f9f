"""The local record, and following it while it is written."""

import json
from pathlib import Path

import numpy as np
import pytest

from vibethinker.tracking.local import EventTail, LocalTracker, read_events


def test_every_kind_of_event(tmp_path: Path) -> None:
    path = tmp_path / "attempts" / "1" / "events.jsonl"
    with LocalTracker(path) as tracker:
        tracker.params({"lr": 1e-3, "name": "x"})
        tracker.metrics(3, {"loss": np.float32(0.5), "bad": float("nan"), "worse": float("inf")})  # type: ignore[dict-item]
        tracker.histogram("p_c", 3, [0.0, 0.5, 1.0], [2, 1])
        tracker.progress("sft", 3, 10)
        tracker.note("héllo\nworld")
        tracker.samples(3, [{"question": "q", "response": "r", "status": "correct", "extracted": None}])
    events = [{k: v for k, v in e.items() if k != "t"} for e in read_events(path)]
    assert events == [
        {"kind": "params", "values": {"lr": 1e-3, "name": "x"}},
        {"kind": "metrics", "step": 3, "values": {"loss": 0.5}},
        {"kind": "histogram", "name": "p_c", "step": 3, "edges": [0.0, 0.5, 1.0], "counts": [2, 1]},
        {"kind": "progress", "label": "sft", "done": 3, "total": 10},
        {"kind": "note", "text": "héllo\nworld"},
        {
            "kind": "samples",
            "step": 3,
            "rows": [{"question": "q", "response": "r", "status": "correct", "extracted": None}],
        },
    ]
    assert len(path.read_text().splitlines()) == 6


def test_lines_are_there_before_the_file_is_closed(tmp_path: Path) -> None:
    with LocalTracker(tmp_path / "e.jsonl") as tracker:
        tracker.note("one")
        assert json.loads((tmp_path / "e.jsonl").read_text())["text"] == "one"


def test_a_second_tracker_appends(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with LocalTracker(tmp_path / "e.jsonl") as tracker:
            tracker.note(text)
    assert [e["text"] for e in read_events(tmp_path / "e.jsonl")] == ["one", "two"]


def test_tail_gives_each_line_once(tmp_path: Path) -> None:
    tail = EventTail(tmp_path / "e.jsonl")
    assert tail.read() == []
    with LocalTracker(tmp_path / "e.jsonl") as tracker:
        tracker.note("one")
        assert [e["text"] for e in tail.read()] == ["one"]
        assert tail.read() == []
        tracker.note("two")
        tracker.note("three")
        assert [e["text"] for e in tail.read()] == ["two", "three"]


def test_half_a_line_waits(tmp_path: Path) -> None:
    line = '{"kind":"note","text":"é€ wait"}\n'.encode()
    for cut in range(1, len(line)):
        path = tmp_path / f"{cut}.jsonl"
        tail = EventTail(path)
        path.write_bytes(line + line[:cut])
        assert len(tail.read()) == 1
        assert tail.read() == []
        with path.open("ab") as file:
            file.write(line[cut:])
        assert [e["text"] for e in tail.read()] == ["é€ wait"]
        assert tail.read() == []


def test_what_cannot_be_written_as_json_is_an_error_not_half_a_line(tmp_path: Path) -> None:
    with LocalTracker(tmp_path / "e.jsonl") as tracker:
        with pytest.raises(TypeError):
            tracker.params({"x": object()})
        tracker.note("after")
    assert [e["kind"] for e in read_events(tmp_path / "e.jsonl")] == ["note"]
