"""Exact values: what is read, what is left alone, what is too large."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.verifiers.exact import Quantity, TooLarge, quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("025", Fraction(25)),
        ("-3", Fraction(-3)),
        ("+3", Fraction(3)),
        ("5.", Fraction(5)),
        (".5", Fraction(1, 2)),
        ("1,234,567.5", Fraction(2469135, 2)),
        ("$1,234", Fraction(1234)),
        ("-$5", Fraction(-5)),
        ("3/4", Fraction(3, 4)),
        (r"-\frac{3}{4}", Fraction(-3, 4)),
        (r"\frac{1507^{2}}{360^{2}}", Fraction(1507**2, 360**2)),
        (r"1\frac{1}{2}", Fraction(3, 2)),
        ("2^{10}", Fraction(1024)),
        ("2^-2", Fraction(1, 4)),
        ("-2^2", Fraction(-4)),
        ("5!", Fraction(120)),
        (r"1.5\times10^{3}", Fraction(1500)),
        ("2*(3+4)-1", Fraction(13)),
    ],
)
def test_value(text: str, value: Fraction) -> None:
    found = quantity(text)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    "text",
    ["", "x", "1 2", "1,2", "12,34", "0,123", "1/0", "2^3!", "2^3^2", "5!!", "(1", "1)", r"\sqrt{4}", "2^{1/2}", "0^0",
     "3(4)", "70 but wait,71", "３", "1e5", "nan", r"2\frac{3}{2}", "--"],
)  # fmt: skip
def test_not_one_number(text: str) -> None:
    assert quantity(text) is None


@pytest.mark.parametrize(
    "text",
    ["2^{1000000007}", "1000000!", "2^{2^{2^{2^{2^{2}}}}}", "(" * 50 + "1" + ")" * 50, "9" * 1_500, "1" * 3_000,
     "+".join(["5000!"] * 100), "1/3^40000"],
)  # fmt: skip
def test_too_large(text: str) -> None:
    with pytest.raises(TooLarge):
        quantity(text)


def test_units() -> None:
    five = Fraction(5)
    assert quantity(r"5\text{ cm}") == Quantity(five, "cm")
    assert quantity("5%") == Quantity(five, "%")
    assert quantity("5°") == Quantity(five, "°")
    assert quantity(r"5\text{ million}") is None
    assert quantity(r"5\text{ or }6") is None
    assert Quantity(five, "cm").same(Quantity(five))
    assert not Quantity(five, "cm").same(Quantity(five, "km"))
    assert not Quantity(five, "%").same(Quantity(five))


@settings(max_examples=60, deadline=None)
@given(st.fractions(), st.fractions())
def test_reads_fractions_back_and_adds(a: Fraction, b: Fraction) -> None:
    found = quantity(f"({a})+({b})")
    assert found is not None
    assert found.value == a + b
