"""The message that a failed command ends with."""

import pytest

from vibethinker.reports.error import show_error


def test_texts_are_shown_as_they_are_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    show_error("DataError", "row [3] holds '[/bold]'\n  \x1b[31mred\x1b[0m\r\x07 [dim]" + "x" * 200)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "\nDataError: row [3] holds '[/bold]'\n  red [dim]" + "x" * 200 + "\n"


def test_a_terminal_gets_words_whole_and_lists_indented(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "40", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    show_error("ConfigError", "not valid:\n  disk: " + "free some space " * 5, f"vibethinker run {'x' * 40}")
    *lines, command = capsys.readouterr().err.splitlines()
    assert "ConfigError:" in lines[1] and lines[1].endswith(" not valid:")
    assert all(line.startswith("  ") and len(line) <= 40 for line in lines[2:]) and len(lines) > 3
    assert " ".join(" ".join(lines[2:]).split()) == "disk: " + " ".join(["free some space"] * 5)
    assert command == f"  vibethinker run {'x' * 40}"
