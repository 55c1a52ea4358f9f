"""Perimeters, angles of a triangle, areas."""

from collections.abc import Iterator
from itertools import product

from vibethinker.data.generators.template import Draft, Template, path


def _sides() -> Iterator[tuple[int, ...]]:
    return product(range(3, 50), repeat=2)


def _perimeter(a: int, b: int) -> Draft:
    s, p = a + b, 2 * (a + b)
    return Draft(
        f"Rectangle with sides {a} and {b}: find its perimeter.",
        (
            path(p, f"{a}+{b}={s}", f"2*{s}={p}"),
            path(p, f"2*{a}={2 * a}", f"2*{b}={2 * b}", f"{2 * a}+{2 * b}={p}"),
            path(p, f"{a}+{b}={s}", f"{s}+{a}={s + a}", f"{s + a}+{b}={p}"),
            path(p, f"2*{s}={p}"),
            path(p),
        ),
        str(p),
    )


def _angles() -> Iterator[tuple[int, ...]]:
    return product(range(20, 76), repeat=2)


def _third_angle(a: int, b: int) -> Draft:
    s, c = a + b, 180 - a - b
    return Draft(
        f"Two angles of a triangle measure {a} and {b} degrees; find the third one.",
        (
            path(c, f"{a}+{b}={s}", f"180-{s}={c}"),
            path(c, f"180-{a}={180 - a}", f"{180 - a}-{b}={c}"),
            path(c, f"180-{s}={c}"),
            path(c),
        ),
        str(c),
    )


def _walls() -> Iterator[tuple[int, ...]]:
    return ((a, b, d) for a, b, d in product(range(2, 10), range(2, 13), range(2, 41)) if d < a * b)


def _area_left(a: int, b: int, d: int) -> Draft:
    whole, left = a * b, a * b - d
    return Draft(
        f"A wall {a} by {b} has a door of {d}; what area stays?",
        (
            path(left, f"{a}*{b}={whole}", f"{whole}-{d}={left}"),
            path(left, f"{b}*{a}={whole}", f"{whole}-{d}={left}"),
            path(left, f"{whole}-{d}={left}"),
            path(left),
        ),
        str(left),
    )


TEMPLATES = (Template(_sides, _perimeter), Template(_angles, _third_angle), Template(_walls, _area_left))
