"""Perimeters and areas."""

from collections.abc import Iterator
from itertools import product

from vibethinker.data.generators.template import Draft, Template, path, three_terms, two_products


def _sides() -> Iterator[tuple[int, ...]]:
    return (sides for sides in product(range(3, 20), repeat=3) if 2 * max(sides) < sum(sides))


def _perimeter(a: int, b: int, c: int) -> Draft:
    total = a + b + c
    ways = (*three_terms(a, b, c), ())
    return Draft(f"Triangle with sides {a}, {b}, {c}: perimeter?", tuple(path(total, *way) for way in ways), str(total))


def _rectangles() -> Iterator[tuple[int, ...]]:
    return product(range(2, 10), repeat=4)


def _joined_area(a: int, b: int, c: int, d: int) -> Draft:
    question = f"Two rectangles, {a} by {b} and {c} by {d}, make what area?"
    return Draft(question, two_products(a, b, c, d), str(a * b + c * d))


def _walls() -> Iterator[tuple[int, ...]]:
    return ((a, b, d) for a, b, d in product(range(2, 10), range(2, 10), range(1, 31)) if d < a * b)


def _area_left(a: int, b: int, d: int) -> Draft:
    whole, left = a * b, a * b - d
    return Draft(
        f"A wall {a} by {b} with door area {d}: what stays?",
        (
            path(left, f"{a}*{b}={whole}", f"{whole}-{d}={left}"),
            path(left, f"{b}*{a}={whole}", f"{whole}-{d}={left}"),
            path(left, f"{whole}-{d}={left}"),
            path(left),
        ),
        str(left),
    )


TEMPLATES = (Template(_sides, _perimeter), Template(_rectangles, _joined_area), Template(_walls, _area_left))
