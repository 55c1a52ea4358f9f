"""The gate's decision in terminal and page: promoted, refused, unchanged, not registered."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from vibethinker.promotion.checks import Check
from vibethinker.promotion.gate import Decision
from vibethinker.reports.collect import collect
from vibethinker.reports.page import write_report
from vibethinker.reports.terminal import render

SET = Check(name="promotion set", passed=True, seen="d1d1d1d1d1d1")
REFUSED = "effect over the champion +1.0% (95% -4.0% to +6.0%) does not lie above 0.0%"
EFFECT = Check(name="effect", passed=False, seen=REFUSED)
COPY = Check(name="registered files", passed=True, seen="6 files as sealed, weights 286d58c79d22")
TRIED = Check(name="generates", passed=True, seen="8 tokens: '<b>[red]x'")

DECISIONS: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "promoted": (
        {"version": "1"}
        | Decision(decision="promoted", reason="first model: fine", candidate=0.57, checks=(COPY, TRIED)).model_dump(),
        ["version 1 promoted: first model: fine", "passed registered files 6 files as sealed", "8 tokens: '<b>[red]x'"],
        ["Pass@1 on the promotion set 57.0%", "8 tokens: &#39;&lt;b&gt;[red]x&#39;"],
    ),
    "refused": (
        {"version": "2"}
        | Decision(
            decision="refused", reason=REFUSED, candidate=0.58, champion=0.57, compared_with="1", checks=(SET, EFFECT)
        ).model_dump(),
        ["version 2 refused: effect over the champion +1.0%", "passed promotion set d1d1", "failed effect effect over"],
        ["champion at that moment version 1, Pass@1 57.0%", "effect failed effect over the champion +1.0% (95%"],
    ),
    "unchanged": (
        {"version": "2"}
        | Decision(decision="unchanged", reason="version 2 is the champion already", candidate=0.58).model_dump(),
        ["version 2 unchanged: version 2 is the champion already"],
        ["reason version 2 is the champion already"],
    ),
    "not registered": (
        {"decision": "not registered", "reason": "MLflow did not answer: refused; the same command does it later"},
        ["Promotion not registered: MLflow did not answer"],
        ["decision not registered", "the same command does it later"],
    ),
}


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("name", DECISIONS)
def test_terminal_and_page(new_run: Callable[[], Any], tmp_path: Path, name: str) -> None:
    promotion, in_terminal, on_page = DECISIONS[name]
    run = new_run()
    run.write_run(promotion=promotion)
    data = collect(run.folder, run.workspace)
    console = Console(width=80, file=io.StringIO())
    render(data, console)
    shown = console.file.getvalue()
    assert max(len(line) for line in shown.splitlines()) <= 80
    for text in in_terminal:
        assert text in plain(shown)
    page = plain(re.sub(r"<[^>]+>", " ", write_report(data, tmp_path / "out").read_text()))
    for text in on_page:
        assert text in page
    assert ("Checks" in page) == bool(promotion.get("checks"))
