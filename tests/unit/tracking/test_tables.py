"""Files for people that grow while a stage works."""

import re
from typing import Any

import orjson
import pytest

from vibethinker.tracking import tables
from vibethinker.tracking.tables import Tables


def samples(step: int, **more: Any) -> dict[str, Any]:
    return {"kind": "samples", "step": step, "rows": [{"question": "q", "status": "correct"} | more]}


def histogram(step: int, counts: list[int], edges: list[float] | None = None) -> dict[str, Any]:
    return {"kind": "histogram", "name": "<p_c>", "step": step, "edges": edges or [0.0, 0.5, 1.0], "counts": counts}


def test_rows_with_more_fields_than_those_before_them() -> None:
    found = Tables()
    found.add(samples(1))
    found.add(samples(2, tokens=5))
    found.add({"kind": "metrics", "step": 1, "values": {"loss": 1.0}})
    ((name, text),) = found.unsent()
    assert name == "responses.json"
    assert orjson.loads(text) == {
        "columns": ["step", "question", "status", "tokens"],
        "data": [[1, "q", "correct", None], [2, "q", "correct", 5]],
    }


def test_long_texts_are_cut_and_say_so() -> None:
    found = Tables()
    found.add(samples(1, response="x" * (tables.LONGEST + 7), question="y" * tables.LONGEST))
    ((_, text),) = found.unsent()
    _, question, _, response = orjson.loads(text)["data"][0]
    assert question == "y" * tables.LONGEST
    assert response == "x" * tables.LONGEST + " … (7 more characters)"


def test_only_what_has_grown_is_given_and_what_failed_is_given_again() -> None:
    found = Tables()
    found.add(samples(1))
    found.add(histogram(1, [1, 2]))
    assert [name for name, _ in found.unsent()] == ["responses.json", "<p_c>.html"]
    assert list(found.unsent()) == []
    found.add(histogram(2, [1, 2]))
    for _ in found.unsent():
        break  # as an error while it is sent does
    assert [name for name, _ in found.unsent()] == ["<p_c>.html"]


def test_the_newest_step_is_on_top_and_the_largest_count_darkest() -> None:
    found = Tables()
    for event in (histogram(1, [9, 0]), histogram(2, [0, 0]), histogram(3, [3, 9]), histogram(4, [1], [0.0, 8.0])):
        found.add(event)
    ((_, page),) = found.unsent()
    rows = re.findall(r"<tr>(.*)</tr>", page)
    assert rows == [
        "<th>step</th><th>0–8</th>",
        '<th>4</th><td class="s9">1</td>',
        "<th>step</th><th>0–0.5</th><th>0.5–1</th>",
        '<th>3</th><td class="s3">3</td><td class="s9">9</td>',
        '<th>2</th><td class="s0">0</td><td class="s0">0</td>',
        '<th>1</th><td class="s9">9</td><td class="s0">0</td>',
    ]
    assert "&lt;p_c&gt;" in page and "<p_c>" not in page


def test_sending_gets_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(tables.time, "monotonic", lambda: now)
    found = Tables()
    times = []
    while now < 1000 + 36_000:
        found.add(histogram(1, [1, 1]))
        if found.due():
            times.append(now - 1000)
        now += 5
    assert times[:3] == [30, 60, 90]
    assert len(times) < 130  # in ten hours; every 30 s would be 1,200
    assert times[-1] - times[-2] == pytest.approx(times[-2] / 20, abs=5)


def test_nothing_to_send_is_never_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "EVERY", 0.0)
    assert not Tables().due()
