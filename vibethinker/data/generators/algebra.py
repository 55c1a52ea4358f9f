"""Linear equations in one unknown, and in two by sum and difference."""

from collections.abc import Iterator
from itertools import product

from vibethinker.data.generators.template import Draft, Template, path


def _coefficients() -> Iterator[tuple[int, ...]]:
    return product(range(2, 10), range(2, 13), range(2, 41))


def _plus(a: int, x: int, b: int) -> Draft:
    d, c = a * x, a * x + b
    return Draft(
        f"Solve {a}x + {b} = {c} for x.",
        (
            path(x, f"{c}-{b}={d}", f"{d}/{a}={x}"),
            path(x, f"{a}*{x}={d}", f"{d}+{b}={c}"),
            path(x, f"{d}/{a}={x}"),
            path(x),
        ),
        str(x),
    )


def _minus(a: int, x: int, b: int) -> Draft:
    d, c = a * x, a * x - b
    return Draft(
        f"A number times {a} minus {b} is {c}, so find that number.",
        (
            path(x, f"{c}+{b}={d}", f"{d}/{a}={x}"),
            path(x, f"{a}*{x}={d}", f"{d}-{b}={c}"),
            path(x, f"{d}/{a}={x}"),
            path(x),
        ),
        str(x),
    )


def _minus_cases() -> Iterator[tuple[int, ...]]:
    return ((a, x, b) for a, x, b in _coefficients() if b < a * x)


def _pairs() -> Iterator[tuple[int, ...]]:
    return ((x, y) for x in range(3, 71) for y in range(1, x))


def _larger(x: int, y: int) -> Draft:
    s, d = x + y, x - y
    return Draft(
        f"Two numbers have sum {s} and difference {d}; what is the larger one?",
        (
            path(x, f"{s}+{d}={2 * x}", f"{2 * x}/2={x}"),
            path(x, f"{s}-{d}={2 * y}", f"{2 * y}/2={y}", f"{s}-{y}={x}"),
            path(x, f"{2 * x}/2={x}"),
            path(x),
        ),
        str(x),
    )


TEMPLATES = (Template(_coefficients, _plus), Template(_minus_cases, _minus), Template(_pairs, _larger))
