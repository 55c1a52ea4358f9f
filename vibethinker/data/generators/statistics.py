"""Means, totals from means, simple probabilities."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

from vibethinker.data.generators.template import Draft, Template, path


def _triples() -> Iterator[tuple[int, ...]]:
    return ((a, b, c) for a, b, c in product(range(2, 22), repeat=3) if (a + b + c) % 3 == 0)


def _mean(a: int, b: int, c: int) -> Draft:
    total = a + b + c
    m = total // 3
    return Draft(
        f"Mean of {a}, {b} and {c}?",
        (
            path(m, f"{a}+{b}={a + b}", f"{a + b}+{c}={total}", f"{total}/3={m}"),
            path(m, f"{b}+{c}={b + c}", f"{b + c}+{a}={total}", f"{total}/3={m}"),
            path(m, f"{a + b}+{c}={total}", f"{total}/3={m}"),
            path(m, f"{total}/3={m}"),
            path(m),
        ),
        str(m),
    )


def _bags() -> Iterator[tuple[int, ...]]:
    return product(range(1, 50), repeat=2)


def _chance(a: int, b: int) -> Draft:
    total = a + b
    red, blue = Fraction(a, total), Fraction(b, total)
    raw = () if red.denominator == total else (f"{a}/{total}={red}",)
    return Draft(
        f"A bag holds {a} red and {b} blue balls; chance of drawing red?",
        (
            path(str(red), f"{a}+{b}={total}", *raw),
            path(str(red), f"{a}+{b}={total}", *raw, f"1-{blue}={red}"),
            *((path(str(red), *raw),) if raw else ()),
            path(str(red)),
        ),
        str(red),
    )


def _scores() -> Iterator[tuple[int, ...]]:
    return product(range(2, 10), range(3, 13), range(2, 41))


def _total(n: int, m: int, x: int) -> Draft:
    before, total = n * m, n * m + x
    return Draft(
        f"The mean of {n} scores is {m}; with {x} more, what total?",
        (
            path(total, f"{n}*{m}={before}", f"{before}+{x}={total}"),
            path(total, f"{m}*{n}={before}", f"{x}+{before}={total}"),
            path(total, f"{before}+{x}={total}"),
            path(total),
        ),
        str(total),
    )


TEMPLATES = (Template(_triples, _mean), Template(_bags, _chance), Template(_scores, _total))
