"""The report's pictures: one PNG each, readable at 800 px."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from vibethinker.reports.data import ReportData
from vibethinker.reports.heat_maps import heat_map
from vibethinker.reports.signal import health, learning
from vibethinker.reports.signal_maps import lengths, p_c_map
from vibethinker.reports.signal_time import time_spent
from vibethinker.reports.spectrum_cost import spectrum_cost
from vibethinker.reports.spectrum_curves import spectrum
from vibethinker.reports.spectrum_fusion import fusions
from vibethinker.reports.spectrum_paths import paths
from vibethinker.reports.spectrum_trajectories import trajectories
from vibethinker.reports.style import (
    BLUE,
    DPI,
    FAINT,
    INK,
    ORANGE,
    PERCENT,
    RED,
    SKY,
    figure,
    legend_above,
    panels,
    save,
    tidy,
)
from vibethinker.reports.words import duration, money, share

__all__ = ["DPI", "PLOTS", "draw"]


def draw(data: ReportData, folder: Path) -> dict[str, Path]:
    """Draws every picture that the run has data for: name -> PNG file in folder."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = ((name, plot(data)) for name, plot in PLOTS.items())
    return {name: save(fig, folder / f"{name}.png") for name, fig in figures if fig is not None}


def overall(data: ReportData) -> Figure | None:
    """Pass@1 and Pass@K over all domains, with 95% intervals, a row per model."""
    rows = [(m.model, m.overall) for m in data.models if m.overall]
    if not rows:
        return None
    fig, (axis,) = panels(1, 1, 0.8 + 0.3 * len(rows))
    for offset, colour, marker, label, found in (
        (-0.13, BLUE, "o", "Pass@1", [s.pass_at_1 for _, s in rows]),
        (0.13, ORANGE, "D", f"Pass@{data.models[0].k}", [s.pass_at_k for _, s in rows]),
    ):
        means = np.array([i.mean for i in found])
        around = np.abs([[i.mean - i.low for i in found], [i.high - i.mean for i in found]])
        places = np.arange(len(rows)) + offset
        axis.errorbar(
            means, places, xerr=around, fmt=marker, color=colour, markersize=6, linewidth=1.6, capsize=3, label=label
        )
    axis.set_yticks(range(len(rows)), [name for name, _ in rows])
    axis.invert_yaxis()
    axis.xaxis.set_major_formatter(PERCENT)
    axis.set_xlabel("mean over domains, 95% interval")
    legend_above(fig, [axis])
    return fig


def cost(data: ReportData) -> Figure | None:
    """Device-seconds and dollars by stage, and what this run spent of its limit."""
    nodes = [n for n in data.nodes if n.seconds > 0]
    if not nodes:
        return None
    fig = figure(1.9 + 0.25 * len(nodes))
    bars, total = fig.subplots(2, 1, height_ratios=[max(len(nodes), 4), 1.2])
    for axis in (bars, total):
        tidy(axis)
        axis.grid(False, axis="y")
    colours = [SKY if n.reused else BLUE for n in nodes]
    drawn = bars.barh(range(len(nodes)), [n.seconds for n in nodes], color=colours, height=0.72)
    labels = [f"{duration(n.seconds)} · {money(n.dollars)} · {share(n.dollars, data.limit)}" for n in nodes]
    bars.bar_label(drawn, labels, padding=4, fontsize=8.5, color=INK)
    bars.set_yticks(range(len(nodes)), [f"{n.name} (reused)" if n.reused else n.name for n in nodes], fontsize=9)
    bars.invert_yaxis()
    bars.margins(x=0.3, y=0.02)
    bars.set_xlabel("device-seconds; at the bars: time · dollars · share of the limit")
    _against_limit(total, data)
    return fig


def _against_limit(axis: Axes, data: ReportData) -> None:
    limit = data.limit or data.spent
    axis.barh([0], [limit], color=FAINT, height=0.6)
    axis.barh([0], [data.spent], color=RED if data.spent > limit else BLUE, height=0.6)
    axis.set_yticks([0], ["this run"], fontsize=9)
    told = f"{money(data.spent)} spent" + (
        f" of the limit {money(data.limit)} ({share(data.spent, data.limit)})" if data.limit else ""
    )
    axis.set_xlabel(f"dollars: {told}", parse_math=False)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: money(value)))


PLOTS: dict[str, Callable[[ReportData], Figure | None]] = {
    "overall": overall,
    "heat_map": heat_map,
    "trajectories": trajectories,
    "trajectories_hard": lambda data: trajectories(data, "hard"),
    "trajectories_student": lambda data: trajectories(data, "student"),
    "fusion": fusions,
    "spectrum": spectrum,
    "paths": paths,
    "spectrum_cost": spectrum_cost,
    "mgpo": lambda data: learning(data.curves),
    "p_c": lambda data: p_c_map(data.curves),
    "health": lambda data: health(data.curves),
    "lengths": lambda data: lengths(data.curves),
    "time": lambda data: time_spent(data.curves),
    "cost": cost,
}
"""Name -> picture, in the page's order."""
