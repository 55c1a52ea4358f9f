"""Picture of the spectrum itself: Pass@K against K on the benchmark, model by model."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from vibethinker.algorithms.pass_at_k import pass_at_k
from vibethinker.algorithms.statistics import Values, mean_interval
from vibethinker.reports.data import Count, ModelScores, ReportData
from vibethinker.reports.rounds import expert_of, round_of
from vibethinker.reports.style import BLUE, GREEN, GREY, INK, ORANGE, PERCENT, PURPLE, RED, legend_above, panels

APART = 0.17
"""Octaves of K between two models' intervals."""


@dataclass(frozen=True)
class Line:
    """How a model is drawn."""

    model: str
    label: str
    colour: str
    dashed: bool = False
    marker: str = "o"


def spectrum(data: ReportData) -> Figure | None:
    """A panel per domain; bars at both ends are 95% intervals; dotted: the expert as probed."""
    found = {m.model: m for m in data.models if m.counts}
    domains = [d for d in data.domains if any(d in m.counts for m in found.values())]
    if not domains:
        return None
    fig, axes = panels(len(domains), 3 if len(domains) > 4 else 2, 2.6, sharey=True)
    for axis, domain in zip(axes, domains, strict=True):
        shown = [line for line in _lines(found, domain) if domain in found[line.model].counts]
        for place, line in enumerate(shown):
            _curve(axis, found[line.model].counts[domain], line, place, len(shown))
        _probed(axis, data, domain)
        axis.set_title(domain, fontsize=10.5, loc="left", color=INK)
    legend_above(fig, axes)
    return fig


def _lines(found: dict[str, ModelScores], domain: str) -> Iterator[Line]:
    """One colour a kind of model, dashed in the second round."""
    last = next((m for m in reversed(found) if m.startswith("mgpo-")), "")
    wanted = (
        Line("base", "base", GREY, marker="s"),
        Line(expert_of("", domain), "expert", GREEN, marker="^"),
        Line("fused", "fused", BLUE),
        Line(expert_of("hard", domain), "expert, second round", GREEN, dashed=True, marker="^"),
        Line("hard-fused", "fused, second round", BLUE, dashed=True),
        Line(last, last, RED, marker="D"),
        Line("student", "student", PURPLE, marker="v"),
    )
    yield from (line for line in wanted if line.model in found)


def _curve(axis: Axes, counts: dict[str, Count], line: Line, place: int, lines: int) -> None:
    """The curve, and its intervals at K = 1 and at the largest K, beside those of the other models."""
    samples = min(c.samples for c in counts.values())
    ks = sorted({*range(1, min(samples, 16) + 1), *np.geomspace(1, samples, 24).astype(int).tolist()})
    style = (0, (4, 1.5)) if line.dashed else "-"
    rates = [_rates(counts, k) for k in ks]
    axis.plot(ks, [r.mean() for r in rates], color=line.colour, linewidth=1.7, linestyle=style, label=line.label)
    for k, values, octaves in ((1, rates[0], place - lines), (samples, rates[-1], place + 1)):
        found = mean_interval(values)
        axis.errorbar(
            [k * 2 ** (APART * octaves)],
            [found.mean],
            yerr=np.abs([[found.mean - found.low], [found.high - found.mean]]),
            color=line.colour,
            fmt=line.marker,
            markersize=3.2,
            markerfacecolor="white" if line.dashed else line.colour,
            linewidth=1.1,
        )
    axis.set_xscale("log", base=2)
    ticks = [2**i for i in range(samples.bit_length())]
    axis.xaxis.set_major_locator(FixedLocator(ticks if len(ticks) < 6 else ticks[::2]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda k, _: f"{k:.0f}"))
    axis.yaxis.set_major_formatter(PERCENT)
    axis.set_xlabel("K")


def _rates(counts: dict[str, Count], k: int) -> Values:
    """Pass@k of each question: [questions]."""
    return pass_at_k([c.samples for c in counts.values()], [c.correct for c in counts.values()], k)


def _probed(axis: Axes, data: ReportData, domain: str) -> None:
    """The first round's selected checkpoint on its probing set."""
    choice = next((c for c in data.choices if c.domain == domain and round_of(c.node) == ""), None)
    for trajectory in data.trajectories:
        for point in trajectory.checkpoints:
            if choice and (trajectory.node, point.step) == (choice.node, choice.step) and domain in point.probes:
                at = sorted(point.probes[domain].pass_at.items())
                axis.plot(
                    *zip(*at, strict=True), color=ORANGE, linewidth=1.3, linestyle=":", label="expert, probing set"
                )
