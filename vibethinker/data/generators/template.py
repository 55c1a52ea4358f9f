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


def program(*lines: str) -> str:
    """One code trace: a fenced function f(n) with these body lines."""
    return "```python\ndef f(n):\n " + "\n ".join(lines) + "\n```"
