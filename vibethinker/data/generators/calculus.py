"""Derivatives of parabolas at a point, average slopes, linearity of the integral."""

from collections.abc import Iterator
from itertools import product

from vibethinker.data.generators.template import Draft, Template, path, two_products


def _parabolas() -> Iterator[tuple[int, ...]]:
    return product(range(2, 6), range(2, 10), range(1, 31))


def _derivative(a: int, k: int, b: int) -> Draft:
    slope = 2 * a * k + b
    return Draft(
        f"f(x) = {a}x^2 + {b}x, find f'({k}).",
        (
            path(slope, f"2*{a}={2 * a}", f"{2 * a}*{k}={2 * a * k}", f"{2 * a * k}+{b}={slope}"),
            path(slope, f"{a}*{k}={a * k}", f"2*{a * k}={2 * a * k}", f"{2 * a * k}+{b}={slope}"),
            path(slope, f"{2 * a * k}+{b}={slope}"),
            path(slope),
        ),
        str(slope),
    )


def _chords() -> Iterator[tuple[int, ...]]:
    return product(range(1, 10), range(1, 5), range(2, 10), range(2, 10))


def _average_slope(p: int, a: int, e: int, s: int) -> Draft:
    rise, q, b = e * s, p + e * s, a + e
    return Draft(
        f"f goes from {p} at {a} to {q} at {b}: find average slope.",
        (
            path(s, f"{q}-{p}={rise}", f"{b}-{a}={e}", f"{rise}/{e}={s}"),
            path(s, f"{b}-{a}={e}", f"{q}-{p}={rise}", f"{rise}/{e}={s}"),
            path(s, f"{rise}/{e}={s}"),
            path(s),
        ),
        str(s),
    )


def _combinations() -> Iterator[tuple[int, ...]]:
    return product(range(2, 10), repeat=4)


def _linearity(p: int, q: int, a: int, b: int) -> Draft:
    return Draft(f"Integrals: f {p}, g {q}; of {a}f + {b}g?", two_products(a, p, b, q), str(a * p + b * q))


TEMPLATES = (Template(_parabolas, _derivative), Template(_chords, _average_slope), Template(_combinations, _linearity))
