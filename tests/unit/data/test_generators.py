"""Every generated problem is right, distinct, and shares no ten words with another."""

import re
import subprocess
import sys
from fractions import Fraction
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.data.generators import TINY, generate
from vibethinker.errors import ConfigError, DataError
from vibethinker.records import Problem

DOMAINS = sorted(TINY)
MATHS = [d for d in DOMAINS if d != "code"]
ROWS = 2_000


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Problem]]:
    return {d: list(islice(generate("tiny", d, 5, "demo"), ROWS)) for d in DOMAINS}


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).split()


def grams(text: str, n: int = 10) -> set[tuple[str, ...]]:
    w = words(text)
    return {tuple(w[i : i + n]) for i in range(len(w) - n + 1)}


def value(expression: str) -> Fraction:
    """Integers joined by + - * /, the last two binding tighter; exact."""
    total = Fraction(0)
    for sign, term in re.findall(r"([+-]?)([0-9*/]+)", expression):
        factors = re.split(r"([*/])", term)
        product = Fraction(int(factors[0]))
        for operator, factor in zip(factors[1::2], factors[2::2], strict=True):
            product = product * int(factor) if operator == "*" else product / int(factor)
        total += -product if sign == "-" else product
    return total


def test_value_by_hand() -> None:
    assert value("31-7") == 24
    assert value("1-3/17") == Fraction(14, 17)
    assert value("2*3+4*5") == 26


@pytest.mark.parametrize("domain", DOMAINS)
def test_stream_is_seeded_and_distinct(rows: dict[str, list[Problem]], domain: str) -> None:
    found = rows[domain]
    assert found[:50] == list(islice(generate("tiny", domain, 5, "demo"), 50))
    assert found[:50] != list(islice(generate("tiny", domain, 6, "demo"), 50))
    assert [p.id for p in found[:3]] == [f"tiny/{domain}/{n}" for n in range(3)]
    assert {p.source for p in found} == {"demo"}
    assert len({tuple(words(p.question)) for p in found}) == ROWS


@pytest.mark.parametrize(("domain", "least"), [(d, 3_000 if d == "code" else 6_000) for d in DOMAINS])
def test_space_is_big_enough_and_its_end_is_said(domain: str, least: int) -> None:
    stream = generate("tiny", domain, 0, "demo")
    assert sum(1 for _ in islice(stream, least)) == least
    with pytest.raises(DataError, match=rf"has \d+ distinct problems in domain '{domain}'"):
        for _ in stream:
            pass


@pytest.mark.parametrize("domain", DOMAINS)
def test_several_distinct_paths_within_the_alphabet(rows: dict[str, list[Problem]], domain: str) -> None:
    assert all(len(set(p.traces)) == len(p.traces) >= 3 for p in rows[domain])
    assert all(re.fullmatch(r"[\x20-\x7e\n]+", text) for p in rows[domain] for text in (p.question, *p.traces))
    assert max(len(t) for p in rows[domain] for t in p.traces) <= 64


@pytest.mark.parametrize("domain", MATHS)
def test_maths_traces_are_true(rows: dict[str, list[Problem]], domain: str) -> None:
    for problem in rows[domain]:
        assert problem.verifier == "maths" and not problem.tests
        assert re.fullmatch(r"\d+(/\d+)?", problem.answer) and str(Fraction(problem.answer)) == problem.answer
        for trace in problem.traces:
            *equations, box = trace.split(" ")
            assert box == f"\\boxed{{{problem.answer}}}"
            for equation in equations:
                left, right = equation.split("=")
                assert value(left) == value(right), (problem.question, trace)


def _by_question(question: str) -> Fraction:
    """The answer worked out from the question's text alone, by brute force or formula."""
    n = [int(x) for x in re.findall(r"\d+", question.replace("^2", ""))]
    head = words(question)[:2]
    match head:
        case ["solve", _]:
            return next(Fraction(x) for x in range(100) if n[0] * x + n[1] == n[2])
        case ["a", "number"]:
            return next(Fraction(x) for x in range(100) if n[0] * x - n[1] == n[2])
        case ["a", "wall"]:
            return Fraction(n[0] * n[1] - n[2])
        case ["a", "bag"]:
            return Fraction(n[0], n[0] + n[1])
        case ["mean", _]:
            return Fraction(sum(n), 3)
        case ["triangle", _]:
            return Fraction(sum(n))
        case ["f", "x"]:
            return Fraction(2 * n[0] * n[2] + n[1])
        case ["f", "goes"]:
            return Fraction(n[2] - n[0], n[3] - n[1])
        case ["if", _] | ["integrals", _]:
            return Fraction(n[0] * n[2] + n[1] * n[3])
        case ["two", "rectangles"] | [_, "scores"]:
            return Fraction(n[0] * n[1] + n[2] * n[3])
    raise AssertionError(f"no oracle for {question!r}")


@pytest.mark.parametrize("domain", MATHS)
def test_answers_follow_from_the_question(rows: dict[str, list[Problem]], domain: str) -> None:
    assert all(_by_question(p.question) == Fraction(p.answer) for p in rows[domain])


def _chain(question: str, n: int) -> int:
    """What the described chain of operations makes of n."""
    for operation, number in re.findall(r"(add|times|minus) (\d+)", question):
        n = {"add": n + int(number), "times": n * int(number), "minus": n - int(number)}[operation]
    return n


def test_code_tests_follow_from_the_question(rows: dict[str, list[Problem]]) -> None:
    for problem in rows["code"]:
        assert problem.verifier == "code" and not problem.answer and len(problem.tests) >= 3
        for line in problem.tests:
            found = re.fullmatch(r"assert f\((-?\d+)\) == (-?\d+)", line)
            assert found is not None and _chain(problem.question, int(found[1])) == int(found[2])


def _exit_code(program: str) -> int:
    return subprocess.run(
        [sys.executable, "-I", "-"], input=program.encode(), capture_output=True, timeout=60
    ).returncode


def test_code_traces_pass_their_tests_and_other_problems_fail_them(rows: dict[str, list[Problem]]) -> None:
    """Our own programs, in one subprocess: each with its tests, then one with a wrong constant."""
    lines = []
    for problem in rows["code"][:400]:
        for trace in problem.traces:
            assert trace.startswith("```python\n") and trace.endswith("\n```")
            lines += [trace.removeprefix("```python\n").removesuffix("\n```"), *problem.tests]
    assert _exit_code("\n".join(lines)) == 0
    assert _exit_code("\n".join(["def f(n): return n", *rows["code"][0].tests])) == 1


def test_no_ten_words_shared(rows: dict[str, list[Problem]]) -> None:
    """Over all domains: a ten-gram of one question is in no other question, nor in any other problem's traces, and no
    question lies inside another (so the whole-question rule for short ones can't hit a different problem)."""
    owner: dict[tuple[str, ...], str] = {}
    for problem in (p for d in DOMAINS for p in rows[d]):
        for gram in grams(problem.question):
            assert owner.setdefault(gram, problem.id) == problem.id, (gram, problem.question)
    assert len(owner) > ROWS, "templates of ten words and more are there to exercise the rule"
    for problem in (p for d in DOMAINS for p in rows[d]):
        for trace in problem.traces:
            assert all(owner.get(g, problem.id) == problem.id for g in grams(f"{problem.question}\n{trace}"))


def test_no_question_inside_another(rows: dict[str, list[Problem]]) -> None:
    questions = {tuple(words(p.question)): p.id for d in DOMAINS for p in rows[d]}
    lengths = sorted({len(q) for q in questions})
    for problem in (p for d in DOMAINS for p in rows[d]):
        w = words(problem.question)
        inside = (tuple(w[i : i + n]) for n in lengths for i in range(len(w) - n + 1))
        assert {questions[q] for q in inside if q in questions} == {problem.id}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), skip=st.integers(1, 200), domain=st.sampled_from(DOMAINS))
def test_rows_after_a_skip_are_disjoint(seed: int, skip: int, domain: str) -> None:
    stream = [p.question for p in islice(generate("tiny", domain, seed, "a"), skip + 50)]
    assert not set(stream[:skip]) & set(stream[skip:])


def test_unknown_names_say_what_exists() -> None:
    with pytest.raises(ConfigError, match="'tiny'"):
        next(generate("huge", "algebra", 0, "demo"))
    with pytest.raises(ConfigError, match="algebra"):
        next(generate("tiny", "topology", 0, "demo"))
