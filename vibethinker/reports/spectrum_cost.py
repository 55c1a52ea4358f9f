"""Picture of what the spectrum cost: each round, each expert."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vibethinker.reports.data import Node, ReportData
from vibethinker.reports.round_costs import PARTS, RoundCost, round_costs
from vibethinker.reports.rounds import SHORT
from vibethinker.reports.style import BLUE, GREEN, GREY, INK, ORANGE, figure, legend_above, tidy
from vibethinker.reports.words import duration, money, tokens

COLOURS = dict(zip(PARTS, (ORANGE, BLUE, GREEN), strict=True))


def spectrum_cost(data: ReportData) -> Figure | None:
    """Above: device time of each round by part. Below: of each expert."""
    rounds = [r for r in round_costs(data) if sum(r.seconds.values())]
    if not rounds:
        return None
    bars = sum(len(r.experts) for r in rounds)
    fig = figure(1.6 + 0.34 * len(rounds) + 0.23 * bars)
    above, below = fig.subplots(2, 1, height_ratios=[0.9 + 0.34 * len(rounds), 0.4 + 0.23 * bars])
    for axis in (above, below):
        tidy(axis)
        axis.grid(False, axis="y")
    _by_round(above, rounds)
    _by_expert(below, [n for r in rounds for n in r.experts])
    legend_above(fig, [above])
    return fig


def _by_round(axis: Axes, rounds: Sequence[RoundCost]) -> None:
    starts = [0.0] * len(rounds)
    for part, colour in COLOURS.items():
        widths = [r.seconds[part] for r in rounds]
        if any(widths):
            axis.barh(range(len(rounds)), widths, left=starts, color=colour, height=0.62, label=part)
        starts = [s + w for s, w in zip(starts, widths, strict=True)]
    for place, (cost, end) in enumerate(zip(rounds, starts, strict=True)):
        label = f"  {duration(end)} · {money(cost.dollars + cost.asked)}"
        axis.text(end, place, label, va="center", fontsize=8.5, color=INK, parse_math=False)
    axis.set_yticks(range(len(rounds)), [SHORT[r.turn] for r in rounds], fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.3 * max(starts))
    axis.set_xlabel("device-seconds of all its stages")


def _by_expert(axis: Axes, experts: Sequence[Node]) -> None:
    colours = [GREY if n.reused else BLUE for n in experts]
    drawn = axis.barh(range(len(experts)), [n.seconds for n in experts], color=colours, height=0.7)
    labels = [
        f"{duration(n.seconds)} · {money(n.dollars)}" + (f" · {tokens(n.tokens)} tokens" if n.tokens else "")
        for n in experts
    ]
    axis.bar_label(drawn, labels, padding=4, fontsize=8.5, color=INK, parse_math=False)
    axis.set_yticks(range(len(experts)), [f"{n.name} (reused)" if n.reused else n.name for n in experts], fontsize=9)
    axis.invert_yaxis()
    axis.margins(x=0.4, y=0.02)
    axis.set_xlabel("device-seconds of each expert; at the bars: time · dollars · tokens trained on")
