"""Exact values of rational answers: integers, decimals, fractions, sums, products, powers, factorials; units, per cent.

Nothing here rounds, so `1/2004!` and `1/2006!`, or 1/3 and 0.3333, stay different. Work is bounded before it is done.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

_TOKEN = re.compile(r"\s*(\\frac|\\cdot|\\times|\\div|\*\*|[0-9]+(?:\.[0-9]*)?|\.[0-9]+|[-+*/^!(){}])")
_THOUSANDS = re.compile(r"([-+]?)\$?([1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?)")
_UNIT = re.compile(r"\\(?:text|mathrm|textrm|mbox)\{\s*([A-Za-z][A-Za-z ./]{0,30}?)\.?\s*\}(?:\^\{?[23]\}?)?$")
_NO_UNIT = {
    "percent", "percentage", "hundred", "thousand", "million", "billion", "trillion", "dozen", "cents", "base", "mod",
    "or", "and", "but", "not", "wait", "to",
}  # fmt: skip
_MAX_CHARACTERS, _MAX_DEPTH, _MAX_BITS, _MAX_WORK, _MAX_FACTORIAL = 2_000, 30, 64_000, 500_000, 5_000


class TooLarge(Exception):
    """The value cannot be worked out within the bounds."""


class _NoNumber(Exception):
    """The text is not one rational number in the notation read here."""


@dataclass(frozen=True)
class Quantity:
    """A rational value and what it counts; `approximate` where it is written as a decimal fraction."""

    value: Fraction
    unit: str = ""
    approximate: bool = False

    def same(self, other: "Quantity") -> bool:
        """Equal values, and equal units where both have one; a per cent sign must be on both or on neither."""
        units = {self.unit, other.unit}
        return self.value == other.value and (len(units) == 1 or ("" in units and "%" not in units))


def quantity(text: str) -> Quantity | None:
    """The value of a normalised answer; None where it is not one rational number. Raises TooLarge beyond the bounds."""
    if len(text) > _MAX_CHARACTERS:
        raise TooLarge
    core, unit = _split_unit(text)
    if grouped := _THOUSANDS.fullmatch(core):
        core = grouped.group(1) + grouped.group(2).replace(",", "")
    core = re.sub(r"^([-+]?)\$", r"\1", core)
    try:
        return Quantity(_Reader(core).whole(), unit, "." in core)
    except (_NoNumber, ZeroDivisionError):
        return None


def _split_unit(text: str) -> tuple[str, str]:
    for sign in ("%", "°"):
        if text.endswith(sign):
            return text[:-1].rstrip(), sign
    if match := _UNIT.search(text):
        words = match.group(1).lower()
        if not _NO_UNIT.intersection(words.split()):
            return text[: match.start()].rstrip(), words
    return text, ""


class _Reader:
    """Recursive descent over one expression, counting the bits it produces."""

    def __init__(self, text: str) -> None:
        self.tokens = self._split(text)
        self.place = 0
        self.depth = 0
        self.work = 0

    @staticmethod
    def _split(text: str) -> list[str]:
        tokens, place = [], 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise _NoNumber
            tokens.append(match.group(1))
            place = match.end()
        return tokens

    def whole(self) -> Fraction:
        value = self._sum()
        if self.place < len(self.tokens):
            raise _NoNumber
        return value

    def _peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._peek()
        if token and token in wanted:
            self.place += 1
            return token
        return ""

    def _bounded(self, value: Fraction) -> Fraction:
        bits = value.numerator.bit_length() + value.denominator.bit_length()
        self.work += bits
        if bits > _MAX_BITS or self.work > _MAX_WORK:
            raise TooLarge
        return value

    def _sum(self) -> Fraction:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise TooLarge
        value = self._product()
        while operator := self._take("+", "-"):
            right = self._product()
            value = self._bounded(value + right if operator == "+" else value - right)
        self.depth -= 1
        return value

    def _product(self) -> Fraction:
        value = self._signed()
        while operator := self._take("*", "/", "\\cdot", "\\times", "\\div"):
            right = self._signed()
            value = self._bounded(value / right if operator in ("/", "\\div") else value * right)
        return value

    def _signed(self) -> Fraction:
        signs = 0
        while sign := self._take("+", "-"):
            signs += sign == "-"
        value = self._power()
        return -value if signs % 2 else value

    def _power(self) -> Fraction:
        base = self._factorial()
        if not self._take("^", "**"):
            return base
        negative = bool(self._take("-"))
        exponent = self._atom()
        if self._peek() in ("^", "**", "!"):  # 2^3! and 2^3^2 are read in more than one way
            raise _NoNumber
        if exponent.denominator != 1 or (base == 0 and (negative or exponent <= 0)):
            raise _NoNumber
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(exponent) * bits > _MAX_BITS:
            raise TooLarge
        return self._bounded(base ** (-exponent.numerator if negative else exponent.numerator))

    def _factorial(self) -> Fraction:
        value = self._atom()
        if not self._take("!"):
            return value
        if self._peek() == "!" or value.denominator != 1 or value < 0:
            raise _NoNumber
        if value > _MAX_FACTORIAL:
            raise TooLarge
        return self._bounded(Fraction(math.factorial(value.numerator)))

    def _atom(self) -> Fraction:
        symbol = self._peek()
        if symbol in ("(", "{"):
            return self._group(symbol, ")" if symbol == "(" else "}")
        self.place += 1
        if symbol == "\\frac":
            return self._fraction()
        if not symbol or not (symbol[0].isdigit() or symbol[0] == "."):
            raise _NoNumber
        if len(symbol) > 1_000:
            raise TooLarge
        value = Fraction(symbol)
        return self._mixed(value) if self._peek() == "\\frac" else value

    def _group(self, left: str, right: str) -> Fraction:
        if not self._take(left):
            raise _NoNumber
        value = self._sum()
        if not self._take(right):
            raise _NoNumber
        return value

    def _fraction(self) -> Fraction:
        return self._bounded(self._group("{", "}") / self._group("{", "}"))

    def _mixed(self, whole: Fraction) -> Fraction:
        r"""`1\frac{1}{2}` is one and a half; anything else in that place is read by nobody in one way only."""
        self.place += 1
        part = self._fraction()
        if whole.denominator != 1 or not 0 < part < 1:
            raise _NoNumber
        return whole + part
