"""Picture of how many distinct correct solution paths the models produce."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from vibethinker.reports.data import ReportData
from vibethinker.reports.heat_maps import distinct_paths
from vibethinker.reports.rounds import TITLES
from vibethinker.reports.spectrum_rules import Run, runs
from vibethinker.reports.style import INK, STAGES, figure, legend_above, tidy

MARKERS = "osD^vP"


def paths(data: ReportData) -> Figure | None:
    """Above: domain by model, on the benchmark. Below: along the rounds' trajectories, on the probing sets."""
    models = [m for m in data.models if any(s.distinct_paths is not None for s in m.domains.values())]
    rounds = {title: rows for turn, title in TITLES.items() if (rows := [r for r in runs(data, turn) if _known(r)])}
    if not models and not rounds:
        return None
    heights = ([0.7 + 0.31 * len(models)] if models else []) + ([2.2] if rounds else [])
    fig = figure(sum(heights) + 0.6)
    grid = fig.add_gridspec(len(heights), 1, height_ratios=heights)
    if models:
        axis = fig.add_subplot(grid[0])
        distinct_paths(axis, data)
        axis.set_title("distinct correct paths a question, benchmark", fontsize=10.5, loc="left", color=INK)
    if rounds:
        below = grid[-1].subgridspec(1, len(rounds)).subplots(sharey=True, squeeze=False)[0]
        for axis, (title, rows) in zip(below, rounds.items(), strict=True):
            _along(axis, title, rows)
        below[0].set_ylabel("distinct correct paths\na question, probing set")
        legend_above(fig, list(below))
    return fig


def _known(run: Run) -> bool:
    return any(c.probes[run.domain].paths is not None for c in run.points)


def _along(axis: Axes, title: str, rows: list[Run]) -> None:
    """A line per domain; a star on the selected checkpoint."""
    tidy(axis)
    for place, run in enumerate(rows):
        colour, marker = STAGES[place % len(STAGES)], MARKERS[place % len(MARKERS)]
        known = {c.step: v for c in run.points if (v := c.probes[run.domain].paths) is not None}
        axis.plot(
            list(known),
            list(known.values()),
            color=colour,
            marker=marker,
            markersize=3.5,
            linewidth=1.5,
            label=run.domain,
        )
        if run.choice and run.choice.step in known:
            axis.scatter(
                [run.choice.step], [known[run.choice.step]], s=110, color=colour, edgecolors=INK, marker="*", zorder=5
            )
    axis.set_title(title, fontsize=9.5, loc="left", color=INK)
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
    axis.set_xlabel("SFT step; star: selected")
