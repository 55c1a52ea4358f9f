"""The report's pictures: one PNG each, readable at 800 px."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from vibethinker.algorithms.statistics import Interval
from vibethinker.reports.data import Choice, ModelScores, Probe, ReportData, Score, Trajectory
from vibethinker.reports.hypotheses import per_question
from vibethinker.reports.signal import health, learning
from vibethinker.reports.signal_maps import lengths, p_c_map
from vibethinker.reports.signal_time import time_spent
from vibethinker.reports.style import (
    BLUE,
    DPI,
    FAINT,
    GREEN,
    GREY,
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
from vibethinker.reports.words import duration, money, percent, share

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


def trajectories(data: ReportData) -> Figure | None:
    """Pass@1 and Pass@K on the probing set along each expert's SFT run; the band is Pass@K's 95% interval."""
    rows = list(_runs(data))
    if not rows:
        return None
    fig, axes = panels(len(rows), 3 if len(rows) > 4 else 2, 2.35, sharey=True)
    for axis, (trajectory, domain, choice) in zip(axes, rows, strict=True):
        _trajectory(axis, trajectory, domain, choice)
    legend_above(fig, axes)
    return fig


def _runs(data: ReportData) -> Iterator[tuple[Trajectory, str, Choice | None]]:
    chosen = {(c.node, c.domain): c for c in data.choices}
    for trajectory in data.trajectories:
        probed = list(dict.fromkeys(d for c in trajectory.checkpoints for d in c.probes))
        own = trajectory.node.removeprefix("expert-")
        for domain in [own] if own in probed else probed:
            yield trajectory, domain, chosen.get((trajectory.node, domain))


def _trajectory(axis: Axes, trajectory: Trajectory, domain: str, choice: Choice | None) -> None:
    points: list[tuple[int, Probe]] = [(c.step, c.probes[domain]) for c in trajectory.checkpoints if domain in c.probes]
    steps = [s for s, _ in points]
    at_k = [p.pass_at[max(p.pass_at)] for _, p in points]
    axis.fill_between(
        steps, [p.low for _, p in points], [p.high for _, p in points], color=ORANGE, alpha=0.22, linewidth=0
    )
    axis.plot(steps, at_k, color=ORANGE, marker="D", markersize=4, linewidth=1.8, label=f"Pass@{trajectory.k}")
    at_1 = [p.pass_at.get(1, np.nan) for _, p in points]
    axis.plot(steps, at_1, color=BLUE, marker="o", markersize=4, linewidth=1.8, label="Pass@1")
    if choice:
        axis.axvline(choice.step, color=INK, linewidth=0.9, linestyle=(0, (2, 2)))
        axis.scatter(
            [choice.step],
            [choice.pass_at_k],
            s=170,
            color=INK,
            edgecolors="white",
            marker="*",
            zorder=5,
            label="selected checkpoint",
        )
    axis.set_title(domain, fontsize=10.5, loc="left", color=INK)
    axis.xaxis.set_major_locator(FixedLocator(steps) if len(steps) < 6 else MaxNLocator(4, integer=True))
    axis.yaxis.set_major_formatter(PERCENT)
    axis.set_xlabel("SFT step")


def spectrum(data: ReportData) -> Figure | None:
    """Pass@K against K on the benchmark: base, expert, fused and final model; dotted: the expert as probed."""
    found = {m.model: m for m in data.models if m.counts}
    domains = [d for d in data.domains if any(d in m.counts for m in found.values())]
    if not domains:
        return None
    last = next((m for m in reversed(found) if m.startswith("mgpo-")), "")
    fig, axes = panels(len(domains), 3 if len(domains) > 4 else 2, 2.35, sharey=True)
    for axis, domain in zip(axes, domains, strict=True):
        lines = [("base", "base", GREY), (f"expert-{domain}", "expert", GREEN), ("fused", "fused", BLUE)]
        for model, label, colour in [*lines, (last, last, RED)]:
            if model in found and domain in found[model].counts:
                _curve(axis, found[model], domain, label, colour)
        _probed(axis, data, domain)
        axis.set_title(domain, fontsize=10.5, loc="left", color=INK)
    legend_above(fig, axes)
    return fig


def _curve(axis: Axes, model: ModelScores, domain: str, label: str, colour: str) -> None:
    samples = min(c.samples for c in model.counts[domain].values())
    ks = sorted({*range(1, min(samples, 16) + 1), *np.geomspace(1, samples, 24).astype(int).tolist()})
    one_domain = ModelScores(model.model, model.k, {}, "", {}, None, {domain: model.counts[domain]})
    axis.plot(ks, [per_question(one_domain, k)[domain].mean() for k in ks], color=colour, linewidth=1.9, label=label)
    axis.set_xscale("log", base=2)
    ticks = [2**i for i in range(samples.bit_length())]
    axis.xaxis.set_major_locator(FixedLocator(ticks if len(ticks) < 6 else ticks[::2]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda k, _: f"{k:.0f}"))
    axis.yaxis.set_major_formatter(PERCENT)
    axis.set_xlabel("K")


def _probed(axis: Axes, data: ReportData, domain: str) -> None:
    choice = next((c for c in data.choices if c.domain == domain), None)
    for trajectory in data.trajectories:
        for point in trajectory.checkpoints:
            if choice and (trajectory.node, point.step) == (choice.node, choice.step) and domain in point.probes:
                at = sorted(point.probes[domain].pass_at.items())
                axis.plot(
                    *zip(*at, strict=True), color=GREEN, linewidth=1.2, linestyle=":", label="expert, probing set"
                )


def heat_map(data: ReportData) -> Figure | None:
    """Pass@1 and Pass@K, domain by model, numbers in the cells."""
    if not data.models:
        return None
    columns = [*data.domains, "all"]
    wide = len(columns) > 7
    rows = 0.5 + 0.31 * len(data.models)
    fig = figure((2 if wide else 1) * rows + 0.9)
    axes = fig.subplots(2 if wide else 1, 1 if wide else 2, squeeze=False, sharey=True)
    picks: tuple[Callable[[Score], Interval], ...] = (lambda s: s.pass_at_1, lambda s: s.pass_at_k)
    for axis, title, pick in zip(axes.flat, ("Pass@1", f"Pass@{data.models[0].k}"), picks, strict=True):
        values = np.array([[_mean(m, c, pick) for c in columns] for m in data.models])
        _cells(axis, values, columns, [m.model for m in data.models])
        axis.set_title(f"{title}, percent", fontsize=10.5, loc="left", color=INK)
    return fig


def _mean(model: ModelScores, column: str, pick: Callable[[Score], Interval]) -> float:
    score = model.overall if column == "all" else model.domains.get(column)
    return pick(score).mean if score else float("nan")


def _cells(axis: Axes, values: npt.NDArray[np.float64], columns: Sequence[str], rows: Sequence[str]) -> None:
    axis.imshow(values, cmap="YlGnBu", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = "-" if np.isnan(value) else percent(value)
        axis.text(column, row, text, ha="center", va="center", fontsize=9, color="white" if value > 0.6 else INK)
    axis.set_xticks(range(len(columns)), columns, rotation=35, ha="right", rotation_mode="anchor", fontsize=9)
    axis.set_yticks(range(len(rows)), rows, fontsize=9)
    axis.axvline(len(columns) - 1.5, color="white", linewidth=3)
    axis.tick_params(length=0, colors=INK)
    axis.spines[:].set_visible(False)


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
    "spectrum": spectrum,
    "mgpo": lambda data: learning(data.curves),
    "p_c": lambda data: p_c_map(data.curves),
    "health": lambda data: health(data.curves),
    "lengths": lambda data: lengths(data.curves),
    "time": lambda data: time_spent(data.curves),
    "cost": cost,
}
"""Name -> picture, in the page's order."""
