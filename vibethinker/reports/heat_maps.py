"""Pictures with a row per model and a column per domain, numbers in the cells."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vibethinker.reports.data import ModelScores, ReportData, Score
from vibethinker.reports.rounds import is_expert
from vibethinker.reports.style import GREY, INK, figure
from vibethinker.reports.words import percent

WIDE = 7
"""More columns than these go below one another instead of side by side."""


def heat_map(data: ReportData) -> Figure | None:
    """Pass@1 and Pass@K, domain by model."""
    if not data.models:
        return None
    columns = [*data.domains, "all"]
    wide = len(columns) > WIDE
    rows = 0.5 + 0.31 * len(data.models)
    fig = figure((2 if wide else 1) * rows + 0.9)
    axes = fig.subplots(2 if wide else 1, 1 if wide else 2, squeeze=False, sharey=True)
    picks: tuple[Callable[[Score], float], ...] = (lambda s: s.pass_at_1.mean, lambda s: s.pass_at_k.mean)
    for axis, title, pick in zip(axes.flat, ("Pass@1", f"Pass@{data.models[0].k}"), picks, strict=True):
        values = np.array([[_value(m, c, pick) for c in columns] for m in data.models])
        cells(axis, values, columns, [m.model for m in data.models], 1.0, percent)
        axis.set_title(f"{title}, percent", fontsize=10.5, loc="left", color=INK)
    return fig


def distinct_paths(axis: Axes, data: ReportData) -> None:
    """Distinct correct solution paths on the benchmark, domain by model."""
    models = [m for m in data.models if any(s.distinct_paths is not None for s in m.domains.values())]
    columns = [*data.domains, "all"]
    values = np.array([[_value(m, c, _paths) for c in columns] for m in models])
    cells(axis, values, columns, [m.model for m in models], float(np.nanmax(values)) or 1.0, lambda v: f"{v:.2f}")


def _paths(score: Score) -> float:
    return float("nan") if score.distinct_paths is None else score.distinct_paths


def _value(model: ModelScores, column: str, pick: Callable[[Score], float]) -> float:
    score = model.overall if column == "all" else model.domains.get(column)
    return pick(score) if score else float("nan")


def cells(
    axis: Axes,
    values: npt.NDArray[np.float64],
    columns: Sequence[str],
    rows: Sequence[str],
    most: float,
    write: Callable[[float], str],
) -> None:
    """values: [rows, columns], the last column apart from the others; NaN is a dash. most: value of the darkest colour."""
    image = axis.imshow(values, cmap="YlGnBu", vmin=0, vmax=most, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        missing = bool(np.isnan(value))  # its cell has no colour: the paper's shows
        text = "-" if missing else write(value)
        colour = INK if missing else _readable(image.get_cmap()(float(value) / most))
        axis.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
    axis.set_xticks(range(len(columns)), columns, rotation=35, ha="right", rotation_mode="anchor", fontsize=9)
    axis.set_yticks(range(len(rows)), rows, fontsize=9)
    axis.axvline(len(columns) - 1.5, color="white", linewidth=3)
    axis.tick_params(length=0, colors=INK)
    for label, model in zip(axis.get_yticklabels(), rows, strict=False):  # an axis that shares another one's has none
        label.set_color(GREY if is_expert(model) else INK)
    axis.spines[:].set_visible(False)


def _readable(colour: Sequence[float]) -> str:
    """White or ink, whichever stands out more: the relative luminance of WCAG 2, where both do equally at about 0.2."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3])
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.2 else INK
