"""Linear equations in one unknown, and values of linear expressions."""

from collections.abc import Iterator
from itertools import product

from vibethinker.data.generators.template import Draft, Template, path, two_products


def _coefficients() -> Iterator[tuple[int, ...]]:
    return product(range(2, 10), range(2, 10), range(1, 31))


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


def _letters() -> Iterator[tuple[int, ...]]:
    return product(range(2, 10), repeat=4)


def _substitute(p: int, q: int, a: int, b: int) -> Draft:
    return Draft(f"If p = {p} and q = {q}, find {a}p + {b}q.", two_products(a, p, b, q), str(a * p + b * q))


TEMPLATES = (Template(_coefficients, _plus), Template(_minus_cases, _minus), Template(_letters, _substitute))
