"""Functions f(n) described as a chain of three operations; graded by asserts."""

from collections.abc import Iterator
from itertools import product

from vibethinker.data.generators.template import Draft, Template, program

POINTS = (0, 1, 7, -4)
"""Where f is tested: two would fix a linear function."""


def _constants() -> Iterator[tuple[int, ...]]:
    return product(range(2, 10), range(2, 10), range(2, 21))


def _tests(slope: int, offset: int) -> tuple[str, ...]:
    return tuple(f"assert f({n}) == {slope * n + offset}" for n in POINTS)


def _expanded(slope: int, offset: int) -> tuple[str, ...]:
    """The same function multiplied out: short to write, the constants must be worked out in the head."""
    tail = f"+{offset}" if offset > 0 else f"-{-offset}" if offset else ""
    bodies = (f"{slope}*n{tail}", f"n*{slope}{tail}", f"{offset}+{slope}*n")
    return tuple(program(f"return {body}") for body in bodies)


def _add_first(a: int, b: int, c: int) -> Draft:
    offset = a * b - c
    return Draft(
        f"f(n): add {a}, times {b}, minus {c}.",
        (
            program(f"n=n+{a}", f"n=n*{b}", f"return n-{c}"),
            program(f"return (n+{a})*{b}-{c}"),
            *_expanded(b, offset),
        ),
        tests=_tests(b, offset),
    )


def _subtract_first(a: int, b: int, c: int) -> Draft:
    offset = c - a * b
    return Draft(
        f"Let f(n) minus {a}, times {b}, add {c}, and return that.",
        (
            program(f"n=n-{a}", f"n=n*{b}", f"return n+{c}"),
            program(f"return (n-{a})*{b}+{c}"),
            *_expanded(b, offset),
        ),
        tests=_tests(b, offset),
    )


def _scale_first(b: int, a: int, c: int) -> Draft:
    slope, offset = b * a, c * a
    return Draft(
        f"f(n): times {b}, add {c}, times {a}.",
        (
            program(f"n=n*{b}", f"n=n+{c}", f"return n*{a}"),
            program(f"return (n*{b}+{c})*{a}"),
            *_expanded(slope, offset),
        ),
        tests=_tests(slope, offset),
    )


TEMPLATES = (
    Template(_constants, _add_first),
    Template(_constants, _subtract_first),
    Template(_constants, _scale_first),
)
