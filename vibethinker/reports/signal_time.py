"""Where the MGPO stages' time goes, step by step."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from vibethinker.reports.data import Curves
from vibethinker.reports.signal import divide, laid_out, line
from vibethinker.reports.signal_maps import Placed, name_stages
from vibethinker.reports.signal_summary import PARTS, seconds_by_part
from vibethinker.reports.style import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, STAGES, figure, legend_above, tidy

COLUMNS = 120
"""Bars of all stages, about: neighbouring steps are pooled."""
COLOURS = dict(zip(PARTS, (BLUE, ORANGE, GREEN, SKY, PURPLE), strict=True))
NAMES = {
    "rollout": "rollout",
    "verdicts": "waiting for verdicts",
    "train": "training",
    "reduce": "adding up gradients",
    "sync": "weights to the engine",
}
COUNT = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:.3g}")
ABOVE = 2.0
"""The axis ends at so many medians of the slowest stage: a first step that warms an engine up would flatten all others."""
SMALL = {
    "tokens_per_second": "tokens generated a second",
    "train_tokens_per_second": "tokens trained a second",
    "memory_gb": "memory, GB",
}


def time_spent(stages: Sequence[Curves]) -> Figure | None:
    """Above: seconds of each part of a step, stacked. Below: tokens a second and memory, those there are."""
    placed = [row for row in laid_out(stages) if seconds_by_part(row[0])]
    if not placed:
        return None
    shown = [m for m in SMALL if any(stage.metrics.get(m) for stage, _, _ in placed)]
    fig = figure(5.0 if shown else 3.2)
    grid = fig.add_gridspec(2, len(shown), height_ratios=[1.6, 1]) if shown else fig.add_gridspec(1, 1)
    stacked = fig.add_subplot(grid[0, :])
    tidy(stacked)
    _stack(stacked, placed)
    for column, metric in enumerate(shown):
        axis = fig.add_subplot(grid[1, column])
        tidy(axis)
        _small(axis, metric, placed)
    legend_above(fig, [stacked])
    return fig


def _stack(axis: Axes, placed: Sequence[Placed]) -> None:
    totals = []
    for stage, start, end in placed:
        edges, seconds = bars(stage, end - start, math.ceil(placed[-1][2] / COLUMNS))
        bottom = np.zeros(len(edges) - 1)
        for part, heights in seconds.items():
            axis.bar(
                edges[:-1] + start,
                heights,
                np.diff(edges),
                bottom,
                align="edge",
                color=COLOURS[part],
                label=NAMES[part],
            )
            bottom = bottom + heights
        totals.append(bottom)
    divide(axis, placed)
    axis.yaxis.set_major_formatter(COUNT)
    cut = _limited(axis, totals)
    name_stages(axis, placed)
    axis.set_ylabel("seconds a step")
    axis.set_xlabel(f"step, over all stages{cut}")


def bars(stage: Curves, steps: int, width: int) -> tuple[npt.NDArray[np.float64], dict[str, npt.NDArray[np.float64]]]:
    """Edges of the bars [n + 1], the first at 0.5, and each part's seconds a step in them [n]; of those that matter.

    width: steps that a bar pools.
    """
    edges = np.append(np.arange(0, steps, width), steps) + 0.5
    seconds = {}
    for part in seconds_by_part(stage):
        at, values = np.array(stage.metrics[PARTS[part]], np.float64).T
        seconds[part] = np.histogram(at, edges, weights=values)[0] / np.diff(edges)
    return edges, seconds


def _limited(axis: Axes, totals: Sequence[npt.NDArray[np.float64]]) -> str:
    """Ends the axis above the usual bars where some are far higher, and says how high. totals: of each stage's bars."""
    usual = ABOVE * max(float(np.median(stage)) for stage in totals)
    highest = max(float(stage.max()) for stage in totals)
    if not 0 < usual < highest:
        return ""
    axis.set_ylim(0, usual)
    return f"; the axis is cut, the highest bar is {highest:.3g} s"


def _small(axis: Axes, metric: str, placed: Sequence[Placed]) -> None:
    for place, (stage, start, _) in enumerate(placed):
        line(axis, stage, metric, start, STAGES[place % len(STAGES)], stage.node)
    divide(axis, placed)
    axis.set_ylim(0, 1.08 * axis.dataLim.y1)
    axis.set_title(SMALL[metric], fontsize=10.5, loc="left", color=INK)
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(4))
    axis.yaxis.set_major_formatter(COUNT)
    axis.set_xlabel("step")
