"""What a person sees while a run works."""

import io

import pytest
from rich.console import Console

from tasks import display
from tasks.display import Display, figures, fitting, probe_figures, time_left

MGPO = {
    "reward": 0.4123,
    "unknown": 0.0,
    "p_c_mean": 0.41,
    "zero_advantage_share": 0.377,
    "response_tokens": 21.4,
    "truncated": 0.0,
    "gap_mean": 1.2e-6,
    "loss": 0.0,
    "seconds_rollout": 0.7,
    "seconds_train": 0.5,
}


def lines_of(file: io.StringIO) -> list[str]:
    return file.getvalue().splitlines()


def progress(done: int) -> dict[str, object]:
    return {"kind": "progress", "label": "base", "done": done, "total": 9}


def test_without_a_terminal_lines_are_whole_plain_and_rare() -> None:
    file, log = io.StringIO(), list[str]()
    with Display(log.append, Console(file=file, width=40)) as shown:
        shown.start("base")
        shown.events("base", [progress(1), {"kind": "note", "text": f"[3] {'long ' * 20}end"}, progress(2)])
        shown.finish("base", "[green]sealed[/]   1.0 s  ")
    assert lines_of(file) == [f"  base: [3] {'long ' * 20}end", f"{'base':<28}sealed   1.0 s"]
    assert log == lines_of(file)


def test_forced_colours_in_a_file_bring_no_bars() -> None:
    file = io.StringIO()
    with Display(lambda text: None, Console(file=file, force_terminal=True)) as shown:
        shown.start("base")
        shown.events("base", [progress(1)])
    assert file.getvalue() == ""


def test_lines_get_rarer_while_a_stage_works() -> None:
    first, most = display.LINE_EVERY
    assert display._next_line(started=100.0, now=115.0) == 115.0 + first
    assert display._next_line(started=0.0, now=1200.0) == 1260.0
    assert display._next_line(started=0.0, now=36000.0) == 36000.0 + most


def test_a_long_result_goes_on_below_itself() -> None:
    file, log = io.StringIO(), list[str]()
    shown = Display(log.append, Console(file=file, width=80, force_terminal=True, color_system=None))
    shown.finish("promote", f"refused: {'because ' * 12}[/bold]".replace("[", r"\["))
    assert all(line.startswith(" " * 28) and len(line) <= 80 for line in lines_of(file)[1:])
    assert len(log) == 1 and log[0].endswith("because [/bold]")


def test_of_a_step_of_mgpo_a_person_follows_its_signal_and_health() -> None:
    assert figures(MGPO) == ["reward 0.412", "zero 38%", "len 21", "gap 1e-6", "1.2 s/step"]
    trouble = figures(MGPO | {"unknown": 0.004, "truncated": 0.25, "gap_mean": 0.034})
    assert trouble == ["reward 0.412", "unknown 0.4%", "zero 38%", "len 21", "cut 25%", "gap 0.03", "1.2 s/step"]


def test_other_stages_show_their_loss() -> None:
    assert figures({"loss": 1.23456, "seconds_train": 0.5}) == ["loss 1.235"]
    assert figures({"accuracy": 1.0}) == []


def test_an_expert_shows_its_last_probe_beside_its_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "LINE_EVERY", (0.0, 0.0))
    file = io.StringIO()
    shown = Display(lambda text: None, Console(file=file, width=80))
    shown.start("expert-all")
    probe = {f"probe/{d}/{name}": v for d, v in (("a", 0.2), ("b", 0.4)) for name in ("pass_at_1", "pass_at_k", "loss")}
    told = [probe | {"probe/a/pass_at_k": 0.5}, {"loss": 1.5, "grad_norm": 1.0}]
    step = {"kind": "progress", "label": "expert-all", "done": 12, "total": 30}
    shown.events("expert-all", [*({"kind": "metrics", "step": 12, "values": v} for v in told), step])
    assert lines_of(file) == ["  expert-all: 12/30 loss 1.500 Pass@K 45% Pass@1 30%"]
    assert probe_figures({"loss": 1.0}) == []


def test_as_many_figures_as_there_is_room() -> None:
    assert [fitting(["ab", "cd", "e"], room) for room in (0, 4, 5, 6, 7)] == ["ab", "ab", "ab cd", "ab cd", "ab cd e"]
    assert fitting([], 9) == ""


@pytest.mark.parametrize(("width", "total"), [(80, 30), (80, 300), (80, 3000), (100, 30), (140, 30)])
def test_a_bar_is_never_cut_and_shows_more_where_it_is_wider(width: int, total: int) -> None:
    file = io.StringIO()
    shown = Display(lambda text: None, Console(file=file, width=width, force_terminal=True, color_system=None))
    shown.start("mgpo-maths-short")
    step = {"kind": "progress", "label": "mgpo-maths-short", "done": total - 1, "total": total}
    shown.events("mgpo-maths-short", [{"kind": "metrics", "step": 12, "values": MGPO}, step])
    shown.console.print(shown._progress.get_renderable())
    (line,) = [row.rstrip() for row in lines_of(file) if row.strip()]
    assert "…" not in line and len(line) <= width
    room = width - (line.index("reward") + len("reward 0.412"))
    assert ("zero 38%" in line) == (room >= len(" zero 38%")) and ("s/step" in line) == (width == 140)


def test_a_line_of_mgpo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "LINE_EVERY", (0.0, 0.0))
    file = io.StringIO()
    shown = Display(lambda text: None, Console(file=file, width=80))
    shown.start("mgpo-a")
    step = {"kind": "progress", "label": "mgpo-a", "done": 12, "total": 30}
    shown.events("mgpo-a", [{"kind": "metrics", "step": 12, "values": MGPO}, step])
    assert lines_of(file) == ["  mgpo-a: 12/30 reward 0.412 zero 38% len 21 gap 1e-6 1.2 s/step"]


def test_time_left_at_the_pace_so_far() -> None:
    assert time_left(60.0, done=20, remaining=40) == ", 2.0 min left"
    assert time_left(60.0, done=0, remaining=40) == time_left(60.0, done=20, remaining=0) == ""
