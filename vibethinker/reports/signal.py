"""Pictures of the MGPO stages' metrics: what is learned, and whether training is well."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from vibethinker.reports.data import Curves
from vibethinker.reports.style import GREY, INK, STAGES, legend_above, panels

SMOOTH = 12
"""From this many points on, the mean of a trailing eighth of them is drawn over the points."""
NUMBER = FuncFormatter(lambda value, _: f"{value:.3g}")
SHARE = FuncFormatter(lambda value, _: f"{100 * value:.3g}%")
POWER = FuncFormatter(lambda value, _: f"{value:g}" if value >= 0.01 else f"{value:.0e}".replace("e-0", "e-"))


@dataclass(frozen=True)
class Panel:
    """One metric, drawn solid, and one that goes with it, dotted."""

    title: str
    metric: str
    dotted: str = ""
    share: bool = False
    log: bool = False
    idle: float | None = None
    """Where the metrics never leave this value there is nothing to see: the panel is left out."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """One or two."""
        return (self.metric, self.dotted) if self.dotted else (self.metric,)

    def values(self, stages: Sequence[Curves]) -> npt.NDArray[np.float64]:
        """Of all metrics and stages: [n]."""
        return np.array([v for stage in stages for m in self.metrics for _, v in stage.metrics.get(m, ())])


LEARNING = (
    Panel("mean reward", "reward", share=True),
    Panel("mean p_c", "p_c_mean", share=True),
    Panel("mean weight w_ME(p_c)", "w_mean"),
    Panel("zero-advantage share", "zero_advantage_share", share=True),
    Panel("share of groups replaced by further sampling", "refilled", share=True, idle=0),
)
HEALTH = (
    Panel("entropy, nats a token", "entropy"),
    Panel("KL from the stage's start, nats a token", "kl_start"),
    Panel("engine-trainer gap, nats (dotted: largest)", "gap_mean", "gap_max", log=True),
    Panel("gradient norm before clipping", "grad_norm"),
    Panel("share of tokens with a clipped ratio", "clip_share", share=True, idle=0),
    Panel("importance ratio (dotted: largest)", "ratio_mean", "ratio_max", idle=1),
    Panel("verdicts unknown: our own failures", "unknown", share=True, idle=0),
)


def learning(stages: Sequence[Curves]) -> Figure | None:
    """Reward, p_c, weight and zero-advantage share over the steps of all stages."""
    return _curves(stages, LEARNING)


def health(stages: Sequence[Curves]) -> Figure | None:
    """Entropy, KL, the engine-trainer gap, gradient norm; ratios and clipping where there are any."""
    return _curves(stages, HEALTH)


def laid_out(stages: Sequence[Curves]) -> Iterator[tuple[Curves, int, int]]:
    """Stages one after another on one axis: (stage, steps before it, steps up to its end)."""
    start = 0
    for stage in stages:
        last = [points[-1][0] for points in stage.metrics.values() if points] + [h.step for h in stage.p_c[-1:]]
        end = start + max(last, default=0)
        if end > start:
            yield stage, start, end
        start = end


def line(axis: Axes, stage: Curves, metric: str, start: int, colour: str, label: str) -> None:
    """A metric of a stage that begins after `start` steps; thick and smoothed over thin where there are many points."""
    points = stage.metrics.get(metric)
    if not points:
        return
    steps, values = np.array([s for s, _ in points]) + start, np.array([v for _, v in points])
    if len(points) < SMOOTH:
        axis.plot(steps, values, color=colour, linewidth=1.8, marker="o", markersize=3, label=label)
        return
    axis.plot(steps, values, color=colour, linewidth=0.8, alpha=0.35)
    axis.plot(steps, trailing_mean(values), color=colour, linewidth=2, label=label)


def trailing_mean(values: npt.NDArray[np.float64]) -> list[float]:
    """Mean of each value and those before it, an eighth of all points; the values themselves where there are few."""
    window = len(values) // 8 + 2 if len(values) >= SMOOTH else 1
    return [float(values[max(0, i + 1 - window) : i + 1].mean()) for i in range(len(values))]


def divide(axis: Axes, stages: Sequence[tuple[Curves, int, int]]) -> None:
    """Dashed lines between the stages, and an axis of whole steps over all of them."""
    for _, start, _ in stages[1:]:
        axis.axvline(start + 0.5, color=GREY, linewidth=0.9, linestyle=(0, (3, 3)))
    axis.set_xlim(0.5, stages[-1][2] + 0.5)
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _curves(stages: Sequence[Curves], wanted: Sequence[Panel]) -> Figure | None:
    """A colour per stage; None where no panel has anything to show."""
    placed = list(laid_out(stages))
    shown = [p for p in wanted if (v := p.values(stages)).size and not (p.idle is not None and np.all(v == p.idle))]
    if not shown or not placed:
        return None
    fig, axes = panels(len(shown), 2, 1.85)
    for axis, panel in zip(axes, shown, strict=True):
        _panel(axis, panel, placed)
    fig.supxlabel("step, over all stages", fontsize=9.5)
    legend_above(fig, axes)
    return fig


def _panel(axis: Axes, panel: Panel, placed: Sequence[tuple[Curves, int, int]]) -> None:
    for place, (stage, start, _) in enumerate(placed):
        colour = STAGES[place % len(STAGES)]
        line(axis, stage, panel.metric, start, colour, stage.node)
        if dotted := stage.metrics.get(panel.dotted):
            axis.plot([s + start for s, _ in dotted], [v for _, v in dotted], color=colour, linewidth=1, linestyle=":")
    divide(axis, placed)
    axis.set_title(panel.title, fontsize=10.5, loc="left", color=INK)
    axis.yaxis.set_major_locator(MaxNLocator(5))
    axis.yaxis.set_major_formatter(SHARE if panel.share else NUMBER)
    if panel.log:
        _decades(axis, panel.values([stage for stage, _, _ in placed]))


def _decades(axis: Axes, values: npt.NDArray[np.float64]) -> None:
    """A logarithmic axis of whole decades. Values of 0 have no place on it; where all are 0 it stays linear."""
    above = values[values > 0]
    if not above.size:
        return
    axis.set_yscale("log", nonpositive="mask")
    axis.set_ylim(10 ** np.floor(np.log10(above.min())), 10 ** (np.floor(np.log10(above.max())) + 1))
    axis.yaxis.set_major_locator(LogLocator(numticks=6))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(POWER)
