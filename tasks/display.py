"""What a person sees while a run works: bars in a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from vibethinker.reports.words import digits, duration

LINE_EVERY = (15.0, 300.0)
"""Seconds between lines of one stage where there is no terminal: at first, and at most, for stages of hours."""
NAME, BAR = 27, 8
"""Columns of a stage's name, and of its bar."""
AROUND = 1 + NAME + BAR + 7 + 5 + 6
"""Columns of a bar's line without its counts and figures: the spinner, the name, the bar, two times, spaces between."""


class Display:
    """Follows the stages' events. Calls may come from several threads."""

    def __init__(self, also: Callable[[str], None], console: Console | None = None) -> None:
        """also: gets every line without its marks, e.g. for a log."""
        self.console = console or Console()
        self._bars_are_drawn = self.console.is_interactive and self.console.file.isatty()
        self._also = also
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=BAR),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[figures]}"),
            console=self.console,
            transient=True,
        )
        self._bars: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._figures: dict[str, list[str]] = {}
        self._probes: dict[str, list[str]] = {}
        self._since: dict[tuple[str, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if self._bars_are_drawn:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars_are_drawn:
            self._progress.stop()

    def say(self, text: str, whole: bool = False) -> None:
        """A line above the bars; `[bold]` and the like are marks. whole: not wrapped, since it ends in a path."""
        self.console.print(text.rstrip(" "), highlight=False, soft_wrap=whole or not self.console.is_terminal)
        self.log(Text.from_markup(text).plain)

    def log(self, text: str) -> None:
        """A line for the log alone."""
        self._also(text)

    def start(self, node: str) -> None:
        """A stage started."""
        with self._lock:
            self._bars[node] = self._progress.add_task(f"{node:<{NAME}}", total=None, figures="")
            self._started[node] = time.monotonic()
            self._due[node] = self._started[node] + LINE_EVERY[0]

    def events(self, node: str, events: Sequence[Mapping[str, Any]]) -> None:
        """New events of a stage."""
        for event in events:
            if event["kind"] == "note":
                self.say(f"  [dim]{node}: {escape(event['text'])}[/]")
            elif event["kind"] == "metrics":
                self._figures[node] = figures(event["values"]) or self._figures.get(node, [])
                self._probes[node] = probe_figures(event["values"]) or self._probes.get(node, [])
            elif event["kind"] == "progress":
                self._advance(node, event["label"], event["done"], event["total"])

    def finish(self, node: str, text: str) -> None:
        """A stage is done, or found done."""
        with self._lock:
            if node in self._bars:
                self._progress.remove_task(self._bars.pop(node))
        wide = max(NAME, len(node)) + 1
        line = f"{node:<{wide}}{text}".rstrip()
        if not self.console.is_terminal:
            self.say(line)
            return
        row = Table.grid()  # a text that is too long goes on below itself
        row.add_column(width=wide)
        row.add_column()
        row.add_row(node, text.rstrip())
        self.console.print(row)
        self.log(Text.from_markup(line).plain)

    def _advance(self, node: str, label: str, done: int, total: int) -> None:
        parts = [*self._figures.get(node, []), *self._probes.get(node, [])] if label == node else [label]
        now = time.monotonic()
        since, before = self._since.setdefault((node, label), (now, done))
        with self._lock:
            if node in self._bars:
                room = self.console.width - AROUND - max(len(node) - NAME, 0) - len(f"{total}/{total}")
                self._progress.update(self._bars[node], completed=done, total=total, figures=fitting(parts, room))
            line = not self._bars_are_drawn and time.monotonic() >= self._due.get(node, 0)
            if line:
                self._due[node] = _next_line(self._started.get(node, 0), time.monotonic())
        if line:
            left = time_left(now - since, done - before, total - done)
            self.say(escape(f"  {node}: {done}/{total} {' '.join(parts)}{left}"))


def figures(values: Mapping[str, float]) -> list[str]:
    """What a person follows of a step's metrics, most important first: of MGPO its signal and health, else the loss."""
    if "reward" not in values:
        return [f"loss {values['loss']:.3f}"] if "loss" in values else []
    seconds = sum(v for name, v in values.items() if name.startswith("seconds_"))
    parts = {
        "reward": "reward {:.3f}",
        "unknown": "unknown {:.1%}",
        "zero_advantage_share": "zero {:.0%}",
        "response_tokens": "len {:.0f}",
        "truncated": "cut {:.0%}",
    }
    shown = [text.format(values[name]) for name, text in parts.items() if name in values and not _silent(name, values)]
    gap = [f"gap {digits(values['gap_mean'], 1)}"] if "gap_mean" in values else []
    return [*shown, *gap, *([f"{duration(seconds)}/step"] if seconds else [])]


def probe_figures(values: Mapping[str, float]) -> list[str]:
    """An expert's last probe, mean over its domains; Pass@K first, since it is what selects."""
    parts = {"Pass@K": "/pass_at_k", "Pass@1": "/pass_at_1"}
    found = {words: [v for name, v in values.items() if name.endswith(end)] for words, end in parts.items()}
    return [f"{words} {fmean(rates):.0%}" for words, rates in found.items() if rates]


def _silent(name: str, values: Mapping[str, float]) -> bool:
    """Figures that are said only when there is something to say."""
    return name in ("unknown", "truncated") and values[name] == 0


def fitting(parts: Sequence[str], room: int) -> str:
    """As many of the parts as the columns take; the first always."""
    text = "".join(parts[:1])
    for part in parts[1:]:
        if len(text) + 1 + len(part) > room:
            break
        text += f" {part}"
    return text


def time_left(seconds: float, done: int, remaining: int) -> str:
    """In words, at the pace so far; empty where nothing was done yet, or nothing remains."""
    return f", {duration(seconds / done * remaining)} left" if done > 0 and remaining > 0 else ""


def _next_line(started: float, now: float) -> float:
    """When a stage's next line is due: the longer it has worked, the rarer they are. All in seconds of one clock."""
    first, most = LINE_EVERY
    return now + min(max(first, (now - started) / 20), most)
