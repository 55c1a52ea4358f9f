"""Pictures of distributions over the MGPO stages' steps: p_c, and the responses' lengths."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from vibethinker.reports.data import Curves, Histogram
from vibethinker.reports.signal import SHARE, divide, laid_out, line, trailing_mean
from vibethinker.reports.style import INK, PERCENT, RED, STAGES, figure, panels, tidy

COLUMNS, ALL_COLUMNS = 20, 80
"""Columns of a stage and of all stages, at most: neighbouring steps are pooled, a step alone is mostly noise."""
LETTERS = 90
"""About so many are as wide as the picture."""
COUNT = FuncFormatter(lambda value, _: f"{value:,.0f}")
Placed = tuple[Curves, int, int]
Pick = Callable[[Curves], tuple[Histogram, ...]]


def p_c_map(stages: Sequence[Curves]) -> Figure | None:
    """Share of a step's questions in each bin of p_c (colour), step by step, and their mean (line)."""
    placed = [row for row in laid_out(stages) if row[0].p_c]
    if not placed:
        return None
    fig, (axis,) = panels(1, 1, 3.1)
    mesh = _map(axis, placed, lambda stage: stage.p_c)
    _means(axis, placed, "p_c_mean")
    name_stages(axis, placed)
    axis.set_ylim(0, 1)
    axis.set_ylabel("p_c of a question")
    axis.set_xlabel("step, over all stages; line: mean p_c, trailing")
    axis.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    fig.colorbar(mesh, ax=axis, pad=0.01, aspect=30, format=PERCENT).set_label("share of questions", fontsize=9.5)
    return fig


def lengths(stages: Sequence[Curves]) -> Figure | None:
    """Above: lengths of the responses (colour), their mean and the longest. Below: the share cut at the window."""
    placed = [row for row in laid_out(stages) if row[0].metrics.get("response_tokens")]
    if not placed:
        return None
    fig = figure(4.6)
    above, below = fig.subplots(2, 1, height_ratios=[2.2, 1], sharex=True)
    for axis in (above, below):
        tidy(axis)
    mapped = [row for row in placed if row[0].lengths]
    if mapped:
        mesh = _map(above, mapped, lambda stage: stage.lengths)
        fig.colorbar(mesh, ax=[above, below], pad=0.01, aspect=40, format=PERCENT).set_label(
            "share of responses", fontsize=9.5
        )
    _means(above, placed, "response_tokens")
    for stage, start, _ in placed:
        longest = stage.metrics.get("response_tokens_max", ())
        above.plot([s + start for s, _ in longest], [v for _, v in longest], color=INK, linewidth=1.2, linestyle=":")
    for place, (stage, start, _) in enumerate(placed):
        line(below, stage, "truncated", start, STAGES[place % len(STAGES)], stage.node)
    for axis in (above, below):
        divide(axis, placed)
        axis.set_ylim(bottom=0)
    name_stages(above, placed)
    above.set_ylabel("response tokens")
    above.yaxis.set_major_formatter(COUNT)
    below.set_ylabel("cut at the window")
    below.yaxis.set_major_locator(MaxNLocator(4))
    below.yaxis.set_major_formatter(SHARE)
    below.set_xlabel("step, over all stages; above: line is the trailing mean, dotted the longest")
    return fig


def name_stages(axis: Axes, placed: Sequence[Placed]) -> None:
    """Each stage's name above it; higher where it would run into the one before it."""
    taken: list[float] = []  # where the last name of each row ends
    for stage, start, end in placed:
        middle, half = (start + end + 1) / 2, placed[-1][2] * len(stage.node) / LETTERS / 2
        row = next((i for i, before in enumerate(taken) if before < middle - half), len(taken))
        taken[row : row + 1] = [middle + half]
        axis.annotate(
            stage.node,
            (middle, 1),
            xytext=(0, 4 + 13 * row),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            fontsize=9.5,
            color=INK,
        )


def _map(axis: Axes, placed: Sequence[Placed], pick: Pick) -> QuadMesh:
    """Columns of steps, rows of bins, one scale of colours for all stages."""
    axis.grid(False)
    least = placed[-1][2] / ALL_COLUMNS
    columns = [_columns(pick(stage), start, end, least) for stage, start, end in placed]
    brightest = max(shares.max() for _, shares in columns)
    for (stage, _, end), (edges, shares) in zip(placed, columns, strict=True):
        mesh = axis.pcolormesh(edges, pick(stage)[0].edges, shares.T, cmap="YlGnBu", vmin=0, vmax=brightest)
        axis.axvline(end + 0.5, color="white", linewidth=2.5)
    return mesh


def _means(axis: Axes, placed: Sequence[Placed], metric: str) -> None:
    """The trailing mean, outlined so that it is seen on any colour."""
    for stage, start, _ in placed:
        if points := stage.metrics.get(metric):
            steps, values = [s + start for s, _ in points], trailing_mean(np.array([v for _, v in points]))
            axis.plot(steps, values, color="white", linewidth=3.5)
            axis.plot(steps, values, color=RED, linewidth=1.8)


def _columns(
    histograms: Sequence[Histogram], start: int, end: int, least: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Column edges [c + 1] and each column's shares [c, bins]; a column pools histograms and begins where the last ended.

    least: steps that a column pools at least. Histograms of a stage have the same edges; one that differs from the first
    would not belong to this picture.
    """
    same = [h for h in histograms if h.edges == histograms[0].edges]
    pooled = math.ceil(len(same) * max(1 / COLUMNS, min(1, least / (end - start))))
    groups = [same[i : i + pooled] for i in range(0, len(same), pooled)]
    edges = np.array([start, *(g[-1].step + start for g in groups[:-1]), end]) + 0.5
    counts = np.array([np.sum([h.counts for h in g], axis=0) for g in groups], np.float64)
    return edges, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
