"""How figures are written for people, the same in the terminal, the page and the plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # words are said before numpy is needed
    from vibethinker.algorithms.statistics import Interval


def percent(value: float) -> str:
    """A share as percent with one decimal."""
    return f"{100 * value:.1f}"


def half_width(interval: Interval) -> str:
    """Half of the interval's width in points, or the one side it has; whole points from ten on."""
    below, above = 100 * (interval.mean - interval.low), 100 * (interval.high - interval.mean)
    sign, width = ("±", (below + above) / 2) if below and above else ("+", above) if above else ("-", below)
    return f"{sign}{width:.0f}" if width >= 9.95 else f"{sign}{width:.1f}"


def points(effect: Interval) -> str:
    """A difference with its interval, in percentage points."""
    mean, low, high = (100 * v for v in (effect.mean, effect.low, effect.high))
    return f"{mean:+.1f} points (95% interval {low:+.1f} to {high:+.1f})"


def change(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.1f}"


def tokens(count: int | None) -> str:
    """Tokens in thousands, millions or billions; a dash where nobody counted."""
    if count is None or count < 1000:
        return "-" if count is None else str(count)
    power, letter = next((p, letter) for p, letter in ((9, "B"), (6, "M"), (3, "K")) if count >= 10**p)
    return f"{count / 10**power:.3g}{letter}"


def money(dollars: float) -> str:
    """Dollars; sums below ten cents keep their first two digits."""
    if dollars == 0 or abs(dollars) >= 0.1:
        return f"${dollars:,.2f}"
    return f"${dollars:.2g}" if abs(dollars) >= 1e-4 else "<$0.0001"


def whole_percent(value: float | None) -> str:
    """A share as whole percent; a dash where there is none."""
    return "-" if value is None else f"{100 * value:.0f}%"


def digits(value: float | None, count: int = 2) -> str:
    """The first digits of a figure that may be tiny; a dash where there is none."""
    return "-" if value is None else f"{value:.{count}g}".replace("e-0", "e-")


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def share(part: float, whole: float | None) -> str:
    """Part of the whole in percent; a dash without a whole."""
    if not whole:
        return "-"
    value = 100 * part / whole
    return f"{value:.1f}%" if value >= 0.05 or value == 0 else "<0.1%"


def when(time: str) -> str:
    """An ISO 8601 time without its T; UTC is named."""
    return time.replace("T", " ").replace("+00:00", " UTC")
