"""What a domain of the `tiny` generator is made of: templates, each a finite space of parameters and a way to build a problem."""

from collections.abc import Callable, Iterator
from typing import NamedTuple


class Draft(NamedTuple):
    """A problem without its id, domain and source."""

    question: str
    traces: tuple[str, ...]
    answer: str = ""
    tests: tuple[str, ...] = ()


class Template(NamedTuple):
    """`cases` lists every parameter tuple once; `build` turns one into a draft."""

    cases: Callable[[], Iterator[tuple[int, ...]]]
    build: Callable[..., Draft]


def path(answer: int | str, *equations: str) -> str:
    """One maths trace: its equations, each true, and the boxed answer. Without equations it is a leap."""
    return " ".join((*equations, f"\\boxed{{{answer}}}"))


def two_products(a: int, p: int, b: int, q: int) -> tuple[str, ...]:
    """Traces of a*p + b*q: either product first, the products in the head, all in the head."""
    left, right, total = a * p, b * q, a * p + b * q
    return (
        path(total, f"{a}*{p}={left}", f"{b}*{q}={right}", f"{left}+{right}={total}"),
        path(total, f"{b}*{q}={right}", f"{a}*{p}={left}", f"{right}+{left}={total}"),
        path(total, f"{left}+{right}={total}"),
        path(total),
    )


def three_terms(a: int, b: int, c: int) -> tuple[tuple[str, ...], ...]:
    """Ways to add a + b + c: from the left, from the right, and with the first addition in the head."""
    total = a + b + c
    return (
        (f"{a}+{b}={a + b}", f"{a + b}+{c}={total}"),
        (f"{b}+{c}={b + c}", f"{a}+{b + c}={total}"),
        (f"{a + b}+{c}={total}",),
    )


def program(*lines: str) -> str:
    """One code trace: a fenced function f(n) with these body lines."""
    return "```python\ndef f(n):\n " + "\n ".join(lines) + "\n```"
