"""How the pictures look. Only matplotlib's object interface is used: no global state, so any thread may draw."""

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# Okabe and Ito's palette: people with any colour vision can tell these apart.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
INK, GREY, FAINT = "#222222", "#767676", "#D9D9D9"
STAGES = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
WIDTH = 8.0
"""Inches; at 800 px one point is 1.39 px, so 9-point text stays readable."""
DPI = 150
LETTERS = 100
"""Of a legend's text, about, are as wide as the picture."""
PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.0f}%")


def figure(height: float) -> Figure:
    """An empty figure with a canvas of its own. height: inches."""
    fig = Figure(figsize=(WIDTH, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(fig)
    return fig


def panels(count: int, columns: int, height: float, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """A grid of `count` panels, `height` inches a row, left to right."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    fig = figure(rows * height + 0.45)
    grid = fig.subplots(rows, columns, squeeze=False, sharey=sharey)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.set_visible(False)
    for axis in axes[:count]:
        tidy(axis)
    return fig, axes[:count]


def tidy(axis: Axes) -> None:
    """Light grid, no box, small dark text."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(GREY)
    axis.tick_params(labelsize=9, colors=INK)
    axis.grid(True, color=FAINT, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.xaxis.label.set_fontsize(9.5)
    axis.yaxis.label.set_fontsize(9.5)


def legend_above(fig: Figure, axes: list[Axes]) -> None:
    """One legend for all panels, each label once, in as many columns as the picture is wide."""
    found = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if found:
        columns = next((n for n in range(5, 1, -1) if _letters(list(found), n) <= LETTERS), 1)
        fig.legend(
            found.values(),
            found.keys(),
            loc="outside upper center",
            ncols=columns,
            frameon=False,
            fontsize=9.5,
        )


def _letters(labels: list[str], columns: int) -> int:
    """Width of a legend, whose columns are filled one after the other; a handle and its space are about as wide as 7 letters."""
    long, more = divmod(len(labels), columns)
    widths, start = 0, 0
    for column in range(columns):
        end = start + long + (column < more)
        widths += max((len(label) for label in labels[start:end]), default=-7) + 7
        start = end
    return widths


def save(fig: Figure, path: Path) -> Path:
    """Writes the PNG; the time of drawing stays out, so the same data give the same bytes."""
    fig.savefig(path, dpi=DPI, metadata={"Software": None})
    return path
