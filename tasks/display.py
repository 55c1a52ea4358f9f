"""What a person sees while a run works: bars in a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

LINE_EVERY = 15.0
"""Seconds between lines of one stage where there is no terminal."""
SHOWN = {"reward": "reward {:.3f}", "w_mean": "w {:.2f}", "loss": "loss {:.3f}"}
"""Metrics shown beside a bar; loss where there is no reward."""


class Display:
    """Follows the stages' events. Calls may come from several threads."""

    def __init__(self, also: Callable[[str], None], console: Console | None = None) -> None:
        """also: gets every line without its marks, e.g. for a log."""
        self.console = console or Console()
        self._also = also
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[figures]}"),
            console=self.console,
            transient=True,
        )
        self._bars: dict[str, TaskID] = {}
        self._lines: dict[str, float] = {}
        self._figures: dict[str, str] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """A line above the bars; `[bold]` and the like are marks."""
        self._progress.console.print(text, highlight=False)
        self._also(Text.from_markup(text).plain)

    def start(self, node: str) -> None:
        """A stage started."""
        with self._lock:
            self._bars[node] = self._progress.add_task(f"{node:<27}", total=None, figures="")
            self._lines[node] = time.monotonic()

    def events(self, node: str, events: Sequence[Mapping[str, Any]]) -> None:
        """New events of a stage."""
        for event in events:
            if event["kind"] == "note":
                self.say(f"  [dim]{node}: {escape(event['text'])}[/]")
            elif event["kind"] == "metrics":
                shown = [text.format(event["values"][name]) for name, text in SHOWN.items() if name in event["values"]]
                self._figures[node] = " ".join(shown[:2]) or self._figures.get(node, "")
            elif event["kind"] == "progress":
                self._advance(node, event["label"], event["done"], event["total"])

    def finish(self, node: str, text: str) -> None:
        """A stage is done, or found done."""
        with self._lock:
            if node in self._bars:
                self._progress.remove_task(self._bars.pop(node))
        self.say(f"{node:<28}{text}")

    def _advance(self, node: str, label: str, done: int, total: int) -> None:
        figures = self._figures.get(node, "") if label == node else label
        with self._lock:
            if node in self._bars:
                self._progress.update(self._bars[node], completed=done, total=total, figures=figures)
            due = not self.console.is_terminal and time.monotonic() - self._lines.get(node, 0) > LINE_EVERY
            if due:
                self._lines[node] = time.monotonic()
        if due:
            self.say(f"  {node}: {done}/{total} {figures}")
