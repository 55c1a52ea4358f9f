"""Picture of the rounds' fusions: the weights, and what searching them bought."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vibethinker.reports.data import ReportData
from vibethinker.reports.rounds import SHORT, round_of
from vibethinker.reports.spectrum_data import Fusion, Search
from vibethinker.reports.style import BLUE, FAINT, GREY, INK, ORANGE, PERCENT, RED, STAGES, figure, legend_above, tidy


def fusions(data: ReportData) -> Figure | None:
    """A row per round with other weights than 1/N: the weights, the candidates that were tried, and what the chosen one bought."""
    rows = [f for f in data.fusions if f.search or len(set(f.weights.values())) > 1]
    if not rows:
        return None  # uniform weights are said in a sentence
    searched = any(f.search for f in rows)
    fig = figure(0.5 + 1.9 * len(rows))
    grid = fig.subplots(
        len(rows), 3 if searched else 1, squeeze=False, width_ratios=[1.2, 1.4, 1] if searched else None
    )
    for places, fusion in zip(grid, rows, strict=True):
        for axis in places:
            tidy(axis)
        _weights(places[0], fusion)
        if searched and fusion.search:
            _candidates(places[1], fusion.search)
            _held_out(places[2], fusion.search)
        elif searched:
            for axis in places[1:]:
                axis.set_visible(False)
    legend_above(fig, [axis for places in grid for axis in places if axis.get_visible()])
    return fig


def _weights(axis: Axes, fusion: Fusion) -> None:
    axis.grid(False, axis="y")
    domains = list(fusion.weights)
    drawn = axis.barh(range(len(domains)), list(fusion.weights.values()), color=STAGES[0], height=0.66)
    axis.bar_label(drawn, [f"{w:.2f}" for w in fusion.weights.values()], padding=3, fontsize=8.5, color=INK)
    axis.axvline(1 / len(domains), color=INK, linewidth=0.9, linestyle=(0, (2, 2)), label="uniform weight")
    axis.set_yticks(range(len(domains)), domains, fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.2 * max(fusion.weights.values()))
    axis.set_title(f"weights, {SHORT[round_of(fusion.node)]}", fontsize=10, loc="left", color=INK)


def _candidates(axis: Axes, search: Search) -> None:
    """The candidates' scores, best first, so that the winner's lead is seen beside their spread."""
    order = sorted(range(len(search.candidates)), key=lambda i: -search.candidates[i].pass_at_k)
    values = [search.candidates[i].pass_at_k for i in order]
    axis.vlines(range(len(order)), min(values), values, color=FAINT, linewidth=1.2)
    axis.plot(values, color=GREY, linestyle="", marker="o", markersize=3.5, label="candidate")
    for index, colour, marker, label in ((0, BLUE, "s", "uniform"), (search.chosen, RED, "*", "chosen")):
        at = order.index(index)
        axis.scatter(
            [at], [values[at]], s=150 if marker == "*" else 45, color=colour, marker=marker, zorder=3, label=label
        )
    axis.set_xticks([])
    axis.set_xlabel("candidates, best first")
    axis.yaxis.set_major_formatter(PERCENT)
    axis.yaxis.set_major_locator(MaxNLocator(4))
    axis.set_title(f"Pass@{search.k}, searched part", fontsize=10, loc="left", color=INK)


def _held_out(axis: Axes, search: Search) -> None:
    if not search.held_out:
        axis.set_visible(False)
        return
    effect = search.held_out.difference
    axis.axvline(0, color=INK, linewidth=0.9)
    around = [[effect.mean - effect.low], [effect.high - effect.mean]]
    axis.errorbar([effect.mean], [0], xerr=around, fmt="D", color=ORANGE, markersize=6, linewidth=1.8, capsize=4)
    axis.set_yticks([])
    axis.xaxis.set_major_formatter(PERCENT)
    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.set_xlabel("chosen minus uniform")
    axis.set_title("held-out, 95% interval", fontsize=10, loc="left", color=INK)
