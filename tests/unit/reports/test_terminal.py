"""The terminal's report."""

import io
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console

from vibethinker.reports.collect import collect
from vibethinker.reports.data import ReportData
from vibethinker.reports.terminal import render


def shown(run: Any, files: tuple[str, ...] = ()) -> str:
    console = Console(width=80, file=io.StringIO())
    render(collect(run.folder, run.workspace), console, files)
    text: str = console.file.getvalue()
    return text


def test_everything_is_there_at_80_columns(whole_run: Any) -> None:
    text = shown(whole_run, ("runs/x/report.html",))
    assert max(len(line) for line in text.splitlines()) <= 80
    for word in (
        "Pass@1",
        "Pass@8",
        "expert-statistics",
        "statistics",
        "H1  shown",
        "H2  shown",
        "mgpo-code",
        "reused",
    ):
        assert word in text
    assert "of the limit $0.50" in text and "Stages reused: 1" in text and "runs/x/report.html" in text
    assert "…" not in text


def test_rounds_fit_80_columns_and_have_a_line_each(rounds_run: Any, rounds_data: ReportData) -> None:
    text = shown(rounds_run)
    assert max(len(line) for line in text.splitlines()) <= 80 and "…" not in text
    rows = {line.split("  ")[0].strip(): line.split() for line in text.splitlines()}
    first, hard = (f"{20 * sum(c.pass_at_k for c in rounds_data.choices[i : i + 5]):.1f}" for i in (0, 5))
    assert rows["first round"][2:] == ["5", first, "6.4", "min", "$1.56", "300K"]
    assert rows["second round"][2:] == ["5", hard, "5.1", "min", "$0.0034", "300K"]
    assert len(rows["hard: statistics"]) == 8  # six figures, with their intervals
    words = " ".join(text.split())
    assert "Charged by endpoints besides: $1.56" in words
    assert "hard: an expert of the second round." in words and "hard-fuse: 12 weightings were tried" in words
    assert "H4 " in text and "nothing shown, since the interval has 0." in words


def test_mgpo_has_a_line_a_stage(whole_run: Any) -> None:
    text = shown(whole_run)
    (line,) = [row for row in text.splitlines() if row.strip().startswith("maths-long ") and " to " in row]
    name, start, to, end, zero, cut, gap, kl, *times = line.split()
    assert (name, to, cut, kl) == ("maths-long", "to", "1%", "0.03")
    assert float(start) < float(end) and zero.endswith("%") and gap in ("1e-6", "2e-6")
    assert times == ["15", "s", "3.0", "s", "9.0", "s", "0.6", "s"]


def test_markup_in_texts_is_not_interpreted(new_run: Callable[[], Any]) -> None:
    run = new_run()
    run.write_run(promotion={"decision": "refused", "reason": "[bold red]x[/bold red] [/]"})
    assert "[bold red]x[/bold red] [/]" in shown(run)


def test_terminal_does_not_import_matplotlib() -> None:
    code = "import sys, vibethinker.reports.terminal; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
