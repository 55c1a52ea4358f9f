"""How many distinct paths the correct responses to a question take: the breadth of the spectrum [A 3.1].

The reports give no measure (unpublished). Here a solution is the set of what it goes through: of prose, its numbers, its
longer words, and neighbours inside formulas; of a program, three tokens in a row without regard to the author's names.
Two solutions are alike where these sets' Jaccard index reaches `ALIKE`. Paths are counted as responses of which no two are
alike, taken greedily, the fullest first, so that the order in which responses came makes no difference.

Where the bound lies: with a third of their words replaced, nine of ten of 975 AIME solutions keep an index of 0.6; what two
people wrote on one AIME problem reaches 0.44 at most in nine of ten pairs; of 2,009 LeetCode problems a person's and a
model's program are alike in 18%, programs for different problems nearly never. It can't see that two chains of the
same formulas rest on different reasons, nor that one idea in other formulas is one idea: long chains of thought with
different detours count as different. So it compares models on the same questions; it is no count of ideas.
"""

import builtins
import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from vibethinker.algorithms.pass_at_k import pass_at_k

ALIKE = 0.6
"""Jaccard index from which two solutions take one path."""
LONG_WORD = 4
"""Letters; shorter words are in every text."""

Features = frozenset[str]
"""What a solution goes through; nothing says in which order, or how often."""

_LAYOUT = frozenset(
    r"\frac \dfrac \tfrac \cdot \times \div \left \right \big \bigl \bigr \text \textbf \mathrm \mathbf \displaystyle "
    r"\quad \qquad \begin \end \aligned \align \boxed \implies \rightarrow".split()
)
"""Commands that change how a formula looks; products and quotients are neighbours, however they are written."""
_SKIPPED = frozenset("$\\{}*/&`'\"#~")
_BREAKS = frozenset(".,;:!?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_PROSE = re.compile(r"\\[a-z]+|[^\W\d_]+|\d+(?:\.\d+)?|[^\w\s]")
_PROGRAM = re.compile(
    r"(?P<skipped>#[^\n]*|'''.*?'''|\"\"\".*?\"\"\"|\s+)|(?P<name>\.?[^\W\d]\w*)|(?P<other>'[^'\n]*'|\"[^\"\n]*\"|[\d.]+|.)",
    re.DOTALL,
)
_KNOWN = frozenset(keyword.kwlist) | frozenset(dir(builtins))


def prose_features(response: str) -> Features:
    """Of a solution in words and formulas. The last boxed answer and the layout of formulas don't count."""
    found: set[str] = set()
    for stretch in _stretches(_THOUSANDS.sub("", _without_box(response).lower())):
        found.update(token for token in stretch if len(token) >= LONG_WORD or token[0].isdigit())
        found.update(f"{a} {b}" for a, b in pairwise(stretch))
    return frozenset(found)


def program_features(program: str) -> Features:
    """Of a Python program. Comments, docstrings, spaces and the author's names don't count."""
    tokens = list(_program_tokens(program))
    return frozenset(" ".join(tokens[i : i + 3]) for i in range(max(1, len(tokens) - 2)))


def group_paths(solutions: Sequence[Features]) -> list[int]:
    """The number of each solution's path, from 0; solutions of one path are alike with the first one of it."""
    paths = [0] * len(solutions)
    first: list[Features] = []
    for i in sorted(range(len(solutions)), key=lambda i: (-len(solutions[i]), sorted(solutions[i]))):
        solution = solutions[i]
        paths[i] = next((number for number, other in enumerate(first) if _alike(solution, other)), len(first))
        if paths[i] == len(first):
            first.append(solution)
    return paths


def expected_paths(sizes: Sequence[int], m: int) -> float:
    """Paths that m correct responses take, on average over the ways to draw them (rarefaction, Hurlbert 1971).

    It compares models of which one is correct more often: more correct responses alone would show more paths.
    sizes: how many correct responses took each path. Raises ValueError where they are fewer than m together.
    """
    return float(pass_at_k(sum(sizes), np.asarray(sizes), m).sum())


def _alike(a: Features, b: Features) -> bool:
    if a == b:
        return True
    small, large = sorted((len(a), len(b)))
    if small < ALIKE * large:
        return False
    shared = len(a & b)
    return shared >= ALIKE * (small + large - shared)


def _without_box(text: str) -> str:
    """Without the last boxed answer."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return text
    depth = 0
    for end in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0 and text[end] == "}":
            return f"{text[:start]} {text[end + 1 :]}"
    return text[:start]


def _stretches(text: str) -> Iterator[list[str]]:
    """Formulas as lists of their tokens, and each word alone."""
    stretch: list[str] = []
    for token in _PROSE.findall(text):
        word = len(token) > 1 and token[0].isalpha()
        if word or token in _BREAKS:
            yield stretch
            stretch = []
        if word:
            yield [token]
        elif token not in _BREAKS and token not in _SKIPPED and token not in _LAYOUT:
            stretch.append(token)
    yield stretch


def _program_tokens(program: str) -> Iterable[str]:
    for match in _PROGRAM.finditer(program):
        if match["name"]:
            name = match["name"]
            yield name if name.startswith(".") or name in _KNOWN else "name"
        elif match["other"]:
            yield match["other"]
