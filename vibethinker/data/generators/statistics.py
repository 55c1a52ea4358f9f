"""Means, sums from means, simple probabilities."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

from vibethinker.data.generators.template import Draft, Template, path, three_terms, two_products


def _triples() -> Iterator[tuple[int, ...]]:
    return ((a, b, c) for a, b, c in product(range(2, 19), repeat=3) if (a + b + c) % 3 == 0)


def _mean(a: int, b: int, c: int) -> Draft:
    total = a + b + c
    m = total // 3
    ways = (*three_terms(a, b, c), ())
    return Draft(f"Mean of {a}, {b} and {c}?", (*(path(m, *way, f"{total}/3={m}") for way in ways), path(m)), str(m))


def _bags() -> Iterator[tuple[int, ...]]:
    return product(range(1, 41), repeat=2)


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
    return product(range(2, 10), repeat=4)


def _pooled_sum(n: int, m: int, k: int, o: int) -> Draft:
    return Draft(f"{n} scores average {m} and {k} average {o}: sum?", two_products(n, m, k, o), str(n * m + k * o))


TEMPLATES = (Template(_triples, _mean), Template(_bags, _chance), Template(_scores, _pooled_sum))
