"""Pictures of the MGPO stages: curves, and how the histogram of p_c moves."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from vibethinker.reports.data import Curves, Histogram
from vibethinker.reports.style import GREY, INK, RED, STAGES, legend_above, panels

METRICS = {
    "reward": "mean reward",
    "w_mean": "mean weight w_ME(p_c)",
    "zero_advantage_share": "zero-advantage share",
    "response_tokens": "response tokens",
    "entropy": "entropy, nats a token",
    "gap_mean": "engine-trainer log-prob gap",
}
SMOOTH = 12
"""From this many points on, the mean of a trailing eighth of them is drawn over the points."""
COLUMNS = 20
"""Columns of a stage in the p_c picture at most: neighbouring steps are pooled, a step alone is mostly noise."""
NUMBER = FuncFormatter(lambda value, _: f"{value:.3g}")


def mgpo_curves(curves: Sequence[Curves]) -> Figure | None:
    """Each metric over the steps of all stages, a colour per stage, dashed lines where a stage ends."""
    shown = [m for m in METRICS if any(m in c.metrics for c in curves)]
    if not shown:
        return None
    fig, axes = panels(len(shown), 2, 1.85)
    for axis, metric in zip(axes, shown, strict=True):
        for place, (stage, start, end) in enumerate(_laid_out(curves)):
            _line(axis, stage, metric, start, STAGES[place % len(STAGES)])
            if place:
                axis.axvline(start + 0.5, color=GREY, linewidth=0.9, linestyle=(0, (3, 3)))
            axis.set_xlim(0.5, end + 0.5)
        axis.set_title(METRICS[metric], fontsize=10.5, loc="left", color=INK)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.yaxis.set_major_locator(MaxNLocator(5))
        axis.yaxis.set_major_formatter(NUMBER)
    for axis in axes[-2:]:
        axis.set_xlabel("step, over all stages")
    legend_above(fig, axes)
    return fig


def _laid_out(curves: Sequence[Curves]) -> Iterator[tuple[Curves, int, int]]:
    """Stages one after another on one axis: (stage, steps before it, steps up to its end)."""
    start = 0
    for stage in curves:
        last = [points[-1][0] for points in stage.metrics.values() if points] + [h.step for h in stage.p_c[-1:]]
        end = start + max(last, default=0)
        if end > start:
            yield stage, start, end
        start = end


def _line(axis: Axes, stage: Curves, metric: str, start: int, colour: str) -> None:
    points = stage.metrics.get(metric)
    if not points:
        return
    steps, values = np.array([s for s, _ in points]) + start, np.array([v for _, v in points])
    if len(points) < SMOOTH:
        axis.plot(steps, values, color=colour, linewidth=1.8, marker="o", markersize=3, label=stage.node)
        return
    axis.plot(steps, values, color=colour, linewidth=0.8, alpha=0.35)
    axis.plot(steps, _trailing_mean(values), color=colour, linewidth=2, label=stage.node)


def _trailing_mean(values: npt.NDArray[np.float64]) -> list[float]:
    """Mean of each value and those before it, an eighth of all points; the values themselves where there are few."""
    window = len(values) // 8 + 2 if len(values) >= SMOOTH else 1
    return [float(values[max(0, i + 1 - window) : i + 1].mean()) for i in range(len(values))]


def p_c_map(curves: Sequence[Curves]) -> Figure | None:
    """Share of a step's questions in each bin of p_c (colour), step by step, and their mean (line)."""
    stages = [row for row in _laid_out(curves) if row[0].p_c]
    if not stages:
        return None
    fig, (axis,) = panels(1, 1, 3.1)
    axis.grid(False)
    columns = [_columns(stage.p_c, start, end) for stage, start, end in stages]
    brightest = max(shares.max() for _, shares in columns)
    for (stage, start, end), (edges, shares) in zip(stages, columns, strict=True):
        mesh = axis.pcolormesh(edges, stage.p_c[0].edges, shares.T, cmap="YlGnBu", vmin=0, vmax=brightest)
        axis.axvline(end + 0.5, color="white", linewidth=2.5)
        axis.text((start + end + 1) / 2, 1.02, stage.node, ha="center", va="bottom", fontsize=9.5, color=INK)
        if mean := stage.metrics.get("p_c_mean"):
            steps, values = [s + start for s, _ in mean], _trailing_mean(np.array([v for _, v in mean]))
            axis.plot(steps, values, color="white", linewidth=3.5)
            axis.plot(steps, values, color=RED, linewidth=1.8)
    axis.set_ylim(0, 1)
    axis.set_ylabel("p_c, share of a question's rollouts that are correct")
    axis.set_xlabel("step, over all stages; line: mean p_c, trailing")
    axis.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    fig.colorbar(mesh, ax=axis, pad=0.01, aspect=30).set_label("share of the step's questions", fontsize=9.5)
    return fig


def _columns(
    histograms: Sequence[Histogram], start: int, end: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Column edges [c + 1] and each column's shares [c, bins]; a column pools histograms and reaches to the next one.

    Histograms of a stage have the same edges; one that differs from the first would not belong to this picture.
    """
    same = [h for h in histograms if h.edges == histograms[0].edges]
    pooled = math.ceil(len(same) / COLUMNS)
    groups = [same[i : i + pooled] for i in range(0, len(same), pooled)]
    edges = np.array([g[0].step + start - 0.5 for g in groups] + [end + 0.5])
    counts = np.array([np.sum([h.counts for h in g], axis=0) for g in groups], np.float64)
    return edges, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
