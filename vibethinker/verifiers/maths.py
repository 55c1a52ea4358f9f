"""Whether two maths answers are the same: quick and exact where that is certain; the rest is left to math-verify.

Every rule here is symmetric: `decide(a, b) == decide(b, a)`.
"""

import re
from dataclasses import dataclass

from vibethinker.verifiers.exact import Quantity, TooLarge, quantity
from vibethinker.verifiers.latex import normalise

_MAX_CHARACTERS, _MAX_NESTING = 2_000, 40
_INTEGER = re.compile(r"-?[0-9]+")
_NAMED = re.compile(r"(\\?[A-Za-z]+(?:_\{?[A-Za-z0-9]+\}?)?(?:\([A-Za-z]\))?)=([^=<>]+)")
_CHOICE = re.compile(r"\(([A-J])\)")
_WORDS = re.compile(r"[A-Za-z][A-Za-z' -]{2,}")
_PLAIN_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_FUNCTIONS = {"sin", "cos", "tan", "cot", "sec", "csc", "log", "exp", "sqrt", "max", "min", "gcd", "lcm", "det"}
_NUMERIC = re.compile(
    r"(?:\\(?:sqrt|frac|cdot|times|div|pi|ln|log|sin|cos|tan|lfloor|rfloor|lceil|rceil|binom)|[-0-9+*/^(){}!.\s\[\]eiπ√])+"
)
_TWO_NUMBERS = re.compile(r"[0-9] +[0-9]")
_SUBSCRIPT = re.compile(r"_\{?([0-9]+)\}?")
_HUGE = re.compile(r"\^\{?[-+({]*[0-9]{5,}|[0-9]{4,}[)}]*!|![)}]*!|\^[^\s,]*\^[^\s,]*\^")
_TEXT_PART = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mbox)\{")


@dataclass(frozen=True)
class Decision:
    """`equal` is None where only symbolic algebra can tell."""

    equal: bool | None
    reason: str = ""


_EQUAL, _DIFFERENT, _UNDECIDED = Decision(True), Decision(False, "different answer"), Decision(None)


def decide(gold: str, answer: str) -> Decision:
    """Compares two answers as written in their boxes, without algebra."""
    left, right = gold.strip(), answer.strip()
    if not left or not right:
        return Decision(False, "empty answer")
    if left == right:
        return _EQUAL
    if _INTEGER.fullmatch(left) and _INTEGER.fullmatch(right):
        return _EQUAL if _plain_integer(left) == _plain_integer(right) else _DIFFERENT
    if max(len(left), len(right)) > _MAX_CHARACTERS:
        return Decision(False, f"over {_MAX_CHARACTERS} characters")
    left, right = _same_form(normalise(left), normalise(right))
    if left == right:
        return _EQUAL if left else Decision(False, "empty answer")
    try:
        values = quantity(left), quantity(right)
    except TooLarge:
        return Decision(False, "number too large")
    return _compare(left, right, *values)


def _compare(left: str, right: str, first: Quantity | None, second: Quantity | None) -> Decision:
    if first and second:
        return _EQUAL if first.same(second) else _DIFFERENT
    if first or second:
        number, text = (first, right) if first else (second, left)
        assert number is not None
        if number.unit or not _NUMERIC.fullmatch(text):
            return Decision(False, "not one number")
        if number.approximate and number.value.denominator != 1:
            return Decision(False, "a rounded value is not the exact one")
    elif len(left) == len(right) == 1:
        return _DIFFERENT
    elif _WORDS.fullmatch(left) and _WORDS.fullmatch(right) and max(len(left), len(right)) > 3:
        return _EQUAL if left.casefold().split() == right.casefold().split() else _DIFFERENT
    return _refuse(left, right) or _UNDECIDED


def _refuse(left: str, right: str) -> Decision | None:
    """What math-verify reads wrongly or cannot finish: parts it skips in silence must be the same on both sides."""
    for text in (left, right):
        if _nesting(text) > _MAX_NESTING or _HUGE.search(text):
            return Decision(False, "expression too large")
    if left.count("%") != right.count("%"):
        return Decision(False, "per cent sign on one side only")
    if bool(_TWO_NUMBERS.search(left)) != bool(_TWO_NUMBERS.search(right)):
        return Decision(False, "two numbers side by side")
    if _SUBSCRIPT.findall(left) != _SUBSCRIPT.findall(right):
        return Decision(False, "different subscripts")
    if _prose(left) != _prose(right):
        return Decision(False, "words beside the answer")
    return None


def _prose(text: str) -> tuple[list[str], int]:
    words = [word for word in _PLAIN_WORD.findall(text) if word not in _FUNCTIONS]
    return words, len(_TEXT_PART.findall(text))


def _plain_integer(text: str) -> str:
    digits = text.removeprefix("-").lstrip("0")
    return "-" + digits if text.startswith("-") and digits else digits


def _same_form(left: str, right: str) -> tuple[str, str]:
    """`x=5` beside `5` loses its name, as does `x=5` beside `x=6`; `(B)` beside `B` loses its brackets."""
    first, second = _NAMED.fullmatch(left), _NAMED.fullmatch(right)
    if first and second and first.group(1) == second.group(1):
        left, right = first.group(2), second.group(2)
    elif first and "=" not in right:
        left = first.group(2)
    elif second and "=" not in left:
        right = second.group(2)
    return _without_brackets(left), _without_brackets(right)


def _without_brackets(text: str) -> str:
    choice = _CHOICE.fullmatch(text)
    return choice.group(1) if choice else text


def _nesting(text: str) -> int:
    depth = deepest = 0
    for character in text:
        if character in "({[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")}]":
            depth -= 1
    return deepest
