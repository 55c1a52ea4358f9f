"""The 10-gram rule: every planted leak found, no clean row dropped."""

import os
import random
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.config.data import SourceSettings
from vibethinker.data.decontamination import decontaminate, find_overlaps, ngrams, normalise
from vibethinker.data.sources import load_source
from vibethinker.records import Problem

LETTERS = "one two three four five six seven eight nine ten eleven twelve"


def problem(name: str, question: str, *traces: str) -> Problem:
    return Problem(
        id=name, domain="algebra", question=question, verifier="maths", answer="1", traces=traces, source="hand"
    )


def words(prefix: str, count: int, rng: random.Random) -> list[str]:
    """Words with a prefix of their own, so that two vocabularies share none."""
    return [f"{prefix}{rng.randrange(50)}" for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is 2+2?", "what is 2 2"),
        (r"\frac{1}{2}x_1", "frac 1 2 x 1"),
        ("A\u00a0B\u2028C\tD", "a b c d"),
        ("x\u00b2 \u2212 \uff11", "x2 1"),
        ("\u00c9t\u00e9, E\u0301te\u0301", "\u00e9t\u00e9 \u00e9t\u00e9"),
        ("$ , . ! ?", ""),
    ],
)
def test_normalise(text, expected):
    assert normalise(text) == expected.split()


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(max_codepoint=127)))
def test_ascii_path_agrees_with_unicode_path(text):
    assert normalise(text) == normalise(text + " \u4e2d")[:-1]


@given(text=st.text())
@settings(max_examples=100, deadline=None)
def test_normalised_words_are_alphanumeric_and_stable(text):
    found = normalise(text)
    assert all(unicodedata.category(c)[0] in "LN" for word in found for c in word)
    assert normalise(" ".join(found)) == normalise(" ".join(normalise(" ".join(found))))


def test_ngrams_by_hand():
    assert list(ngrams(["a", "b", "c"], 2)) == [("a", "b"), ("b", "c")]
    assert list(ngrams(["a"], 2)) == []


def test_hit_by_hand():
    benchmark = [problem("b", LETTERS)]
    train = [
        problem("nine", "x one two three four five six seven eight nine x"),
        problem("ten", "x one two three four five six seven eight nine ten x"),
        problem("all", LETTERS.upper().replace(" ", ", ")),
    ]
    clean, hits = decontaminate(train, benchmark, 10)
    assert [row.id for row in clean] == ["nine"]
    assert [(hit.train_id, hit.benchmark_id, hit.whole) for hit in hits] == [("ten", "b", False), ("all", "b", False)]
    assert hits[0].span == "one two three four five six seven eight nine ten"
    assert hits[0].coverage == pytest.approx(10 / 12)
    assert hits[1].coverage == 1.0


def test_span_is_the_longest_of_several_runs():
    benchmark = [problem("b", "a b c d e f g h")]
    (hit,) = find_overlaps([problem("t", "a b c x d e f g x")], benchmark, 2)
    assert (hit.span, hit.coverage) == ("d e f g", 7 / 8)


def test_leak_in_any_trace_counts():
    train = [problem("t", "a question", "clean", f"Recall: {LETTERS}.")]
    assert [hit.train_id for hit in find_overlaps(train, [problem("b", LETTERS)], 10)] == ["t"]


def test_leak_in_an_earlier_turn_counts():
    asked = "one two three four five six seven eight nine ten"
    for turns in ((("user", f"So {asked}?"), ("assistant", "x")), (("user", "x"), ("assistant", f"{asked}."))):
        talk = problem("t/1", "And now?").model_copy(update={"turns": turns})
        (hit,) = find_overlaps([talk], [problem("b/1", asked)], 10)
        assert (hit.span, hit.whole) == (asked, False)
    short = problem("t/2", "Why?").model_copy(update={"turns": (("user", "What is 2+2?"), ("assistant", "4"))})
    (hit,) = find_overlaps([short], [problem("b/1", "what is 2 + 2")], 10)
    assert (hit.span, hit.whole) == ("what is 2 2", True)


def test_short_question_matches_only_as_a_whole():
    benchmark = [problem("b", "Compute $\\sin 60^\\circ$.")]
    train = [
        problem("same", "compute \\sin{60^\\circ}"),
        problem("longer", "Compute \\sin 60^\\circ now"),
        problem("trace", "other", "Compute \\sin 60^\\circ"),
    ]
    clean, hits = decontaminate(train, benchmark, 10)
    assert [row.id for row in clean] == ["longer", "trace"]
    assert [(hit.train_id, hit.whole, hit.coverage) for hit in hits] == [("same", True, 1.0)]


def test_one_hit_for_each_benchmark_question():
    benchmark = [problem("b1", LETTERS), problem("b2", LETTERS + " more"), problem("b3", "???")]
    hits = find_overlaps([problem("t", LETTERS), problem("u", "!!!")], benchmark, 10)
    assert [(hit.train_id, hit.benchmark_id) for hit in hits] == [("t", "b1"), ("t", "b2")]


DISGUISES = [
    str.upper,
    lambda text: text.replace(" ", ", "),
    lambda text: text.replace(" ", "\\, "),
    lambda text: text.replace(" ", "\u2009~$"),
    lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_twenty_planted_leaks_are_found_and_nothing_else(seed):
    rng = random.Random(seed)
    benchmark = [problem(f"b{i}", " ".join([f"q{i}", *words("b", rng.randrange(3, 40), rng)])) for i in range(20)]
    clean = [
        problem(f"clean{i}", " ".join(words("t", 30, rng) + words("b", 9, rng)), " ".join(words("t", 50, rng)))
        for i in range(60)
    ]
    leaks = []
    for i, item in enumerate(benchmark):
        text = DISGUISES[i % len(DISGUISES)](item.question)
        if len(normalise(item.question)) >= 10:
            text = " ".join([*words("t", 5, rng), text, *words("t", 5, rng)])
        in_trace = i % 3 == 0 and len(normalise(item.question)) >= 10
        leaks.append(problem(f"leak{i}", "t question", text) if in_trace else problem(f"leak{i}", text))
    rows = clean + leaks
    rng.shuffle(rows)
    kept, hits = decontaminate(rows, benchmark, 10)
    assert sorted(row.id for row in kept) == sorted(row.id for row in clean)
    found = {(hit.train_id, hit.benchmark_id) for hit in hits if hit.coverage == 1.0}
    assert found >= {(f"leak{i}", f"b{i}") for i in range(20)}
    assert kept == [row for row in rows if row.id.startswith("clean")]


# --- real data ----------------------------------------------------------------------------------------------------

real = pytest.mark.skipif("VIBETHINKER_DATA" not in os.environ, reason="VIBETHINKER_DATA is not set")


def real_rows(file: str, question: str, answer: str) -> list[Problem]:
    source = SourceSettings(
        name=Path(file).stem.replace("_", "-"),
        role="train",
        path=f"$VIBETHINKER_DATA/{file}",
        question=question,
        answer=answer,
        domain="algebra",
    )
    return load_source(source, {"algebra": "maths"}).problems


@real
def test_all_of_math500_is_found_in_the_math_test_set():
    train, benchmark = (
        real_rows("hendrycks_math_test5000.jsonl", "problem", "solution"),
        real_rows("math500.jsonl", "problem", "answer"),
    )
    clean, hits = decontaminate(train, benchmark, 10)
    assert {hit.benchmark_id for hit in hits if hit.coverage == 1.0} == {row.id for row in benchmark}
    assert sum(hit.whole for hit in hits) == 31
    assert len(train) - len(clean) == 709


@real
def test_gsm8k_train_and_test_barely_overlap():
    train, benchmark = (real_rows(f"gsm8k_{name}.jsonl", "question", "answer") for name in ("train", "test"))
    clean, hits = decontaminate(train, benchmark, 10)
    assert (len(train), len(clean), max(hit.coverage for hit in hits) < 1.0) == (7473, 7462, True)
