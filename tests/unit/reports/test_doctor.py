"""What `vibethinker doctor` prints: readable at 80 columns, nothing cut off, and the same as JSON."""

import json

import pytest

from vibethinker.reports.doctor import show_doctor
from vibethinker.runs.finding import Finding

LONG = "/a/path/" + "x" * 150 + "/[brackets]/end.jsonl"
FINDINGS = [
    Finding("device", "ok", "cpu, in float32"),
    Finding("MLflow", "warning", "does not answer", "start it"),
    Finding("source a-source-with-a-rather-long-name", "problem", f"{LONG} does not exist", "correct its path"),
]


def shown(findings: list[Finding], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    show_doctor(findings, json=False, start="vibethinker run tiny")
    return capsys.readouterr().out


def test_at_80_columns_it_wraps_and_cuts_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shown(FINDINGS, capsys, monkeypatch)
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out and "..." not in out
    head, *rows = out.split("\n\n")[0].splitlines()
    status, found = head.index("status"), head.index("found")
    assert LONG in "".join(row[found:].strip() for row in rows)
    names = "".join(row[:status].strip() for row in rows)
    assert "sourcea-source-with-a-rather-long-name" in names.replace(" ", "")


def test_colours_carry_no_meaning(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    out = shown(FINDINGS, capsys, monkeypatch)
    assert "\x1b" not in out
    assert all(word in out for word in ("ok", "warning", "problem", "-> start it", "-> correct its path"))


@pytest.mark.parametrize(
    "findings, last",
    [
        (FINDINGS[:1], "All is well: a run can start. Next:"),
        (FINDINGS[:2], "A run can start; 1 warning to look at. Next:"),
        (FINDINGS, "A run can't start yet: mend 1 problem, then:"),
    ],
)
def test_the_last_lines_are_the_answer_and_the_next_command(
    findings: list[Finding], last: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(findings, capsys, monkeypatch).splitlines()[-2:] == [last, "  vibethinker run tiny"]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    show_doctor(FINDINGS, json=True, start="vibethinker run tiny")
    rows = json.loads(capsys.readouterr().out)
    assert rows[1] == {"name": "MLflow", "status": "warning", "text": "does not answer", "mend": "start it"}
    assert [row["status"] for row in rows] == ["ok", "warning", "problem"]
