"""Picture of a round's experts along their SFT: Pass@1, Pass@K, the held-out loss, and who was selected."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from vibethinker.reports.data import ReportData
from vibethinker.reports.spectrum_rules import WORDS, Run, runs
from vibethinker.reports.style import BLUE, GREY, INK, ORANGE, PERCENT, PURPLE, figure, legend_above, tidy

HEIGHT, LOSS_HEIGHT = 2.35, 0.75
"""Inches of a panel, and of the strip with the loss below it."""
MARKS = {"pass_at_k": "D", "pass_at_1": "o", "loss": "v", "last": "s"}
"""Rule that was not used -> the mark of what it would have selected."""


def trajectories(data: ReportData, turn: str = "") -> Figure | None:
    """A panel per expert of the round; the band is Pass@K's 95% interval. Small marks: what other rules would have selected."""
    rows = list(runs(data, turn))
    if not rows:
        return None
    fig, places = _grid(len(rows), any(r.has_loss for r in rows))
    for (above, below), run in zip(places, rows, strict=True):
        _rates(above, run)
        if run.choice:
            _selected(above, run)
        if below:
            _loss(below, run)
        (below or above).set_xlabel("SFT step")
        steps = [c.step for c in run.points]
        above.xaxis.set_major_locator(FixedLocator(steps) if len(steps) < 6 else MaxNLocator(4, integer=True))
    legend_above(fig, [axis for pair in places for axis in pair if axis])
    return fig


def _grid(count: int, losses: bool) -> tuple[Figure, list[tuple[Axes, Axes | None]]]:
    """Panels left to right with one scale for all; each with a strip for the loss below it where there are losses."""
    columns = min(3 if count > 4 else 2, count)
    rows = math.ceil(count / columns)
    fig = figure(rows * (HEIGHT + LOSS_HEIGHT * losses) + 0.45)
    grid = fig.add_gridspec(rows, columns)
    places: list[tuple[Axes, Axes | None]] = []
    for i in range(count):
        cell = grid[divmod(i, columns)].subgridspec(1 + losses, 1, height_ratios=[HEIGHT, LOSS_HEIGHT][: 1 + losses])
        first = places[0] if places else (None, None)
        above = fig.add_subplot(cell[0], sharey=first[0])
        below = fig.add_subplot(cell[1], sharex=above, sharey=first[1]) if losses else None
        for axis in (above, below):
            if axis:
                tidy(axis)
                axis.tick_params(labelleft=i % columns == 0, labelbottom=axis is (below or above))
        if below and i % columns == 0:
            below.set_ylabel("nats a\ntoken", fontsize=8.5)
        places.append((above, below))
    return fig, places


def _rates(axis: Axes, run: Run) -> None:
    steps, probes = [c.step for c in run.points], [c.probes[run.domain] for c in run.points]
    axis.fill_between(steps, [p.low for p in probes], [p.high for p in probes], color=ORANGE, alpha=0.22, linewidth=0)
    at_k = [p.pass_at[max(p.pass_at)] for p in probes]
    label = f"Pass@{run.trajectory.k}"
    axis.plot(steps, at_k, color=ORANGE, marker="D", markersize=4, linewidth=1.8, label=label)
    at_1 = [p.pass_at.get(1, np.nan) for p in probes]
    axis.plot(steps, at_1, color=BLUE, marker="o", markersize=4, linewidth=1.8, label="Pass@1")
    axis.set_title(run.domain, fontsize=10.5, loc="left", color=INK)
    axis.yaxis.set_major_formatter(PERCENT)


def _selected(axis: Axes, run: Run) -> None:
    """The star on the selected checkpoint, and small hollow marks on those that other rules would have taken."""
    assert run.choice
    _dashed(axis, run.choice.step)
    axis.scatter(
        [run.choice.step],
        [run.choice.pass_at_k],
        s=170,
        color=INK,
        edgecolors="white",
        marker="*",
        zorder=5,
        label="selected checkpoint",
    )
    for rule, point in run.winners.items():
        if point.step != run.choice.step:
            at = point.probes[run.domain].pass_at
            axis.scatter(
                [point.step],
                [at[max(at)]],
                s=70,
                facecolors="none",
                edgecolors=INK,
                marker=MARKS[rule],
                zorder=4,
                label=WORDS[rule],
            )


def _loss(axis: Axes, run: Run) -> None:
    known = [(c.step, loss) for c in run.points if (loss := c.probes[run.domain].loss) is not None]
    axis.plot(*_columns(known), color=PURPLE, linewidth=1.3, marker=".", markersize=5, label="held-out loss")
    if run.choice:
        _dashed(axis, run.choice.step)
    axis.yaxis.set_major_locator(MaxNLocator(3))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axis.tick_params(labelsize=8)


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [s for s, _ in points], [v for _, v in points]


def _dashed(axis: Axes, step: int) -> None:
    axis.axvline(step, color=GREY, linewidth=0.9, linestyle=(0, (2, 2)))
