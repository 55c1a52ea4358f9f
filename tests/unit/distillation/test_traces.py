"""Which responses are kept, and why the others are not."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.distillation.made import open_problem, trace
from vibethinker.distillation.traces import Trace, contamination, sift


def clean(text: str) -> bool:
    return False


def names(traces: list[Trace]) -> list[str]:
    return [f"{t.teacher}{t.sample}" for t in traces if not t.reason]


def reasons(traces: list[Trace]) -> dict[str, str]:
    return {f"{t.teacher}{t.sample}": t.reason for t in traces}


def test_teachers_take_turns_with_their_next_good_sample() -> None:
    asked = [
        trace("a", 0),
        trace("a", 1),
        trace("a", 2),
        trace("b", 0, status="incorrect"),
        trace("b", 1),
        trace("b", 2),
    ]
    assert names(sift(asked, (), 3, clean)) == ["a0", "b1", "a1"]
    assert names(sift(asked, (), 9, clean)) == ["a0", "b1", "a1", "b2", "a2"]
    assert reasons(sift(asked, (), 3, clean))["b2"] == "more than keep"


def test_each_response_has_its_first_reason() -> None:
    loop = "But wait. " * 60
    asked = [
        trace("a", 0, finish_reason="length"),
        trace("a", 1, status="incorrect"),
        trace("a", 2, status="unknown"),
        trace("a", 3, status="unlabelled"),
        trace("a", 4, loop),
        trace("a", 5, "stolen"),
        trace("a", 6, " The  same\n"),
        trace("a", 7, "fine"),
        trace("a", 8, "loop and cut", status="incorrect", finish_reason="length"),
    ]
    assert reasons(sift(asked, ("The same",), 9, lambda text: text == "stolen")) == {
        "a0": "cut",
        "a1": "incorrect",
        "a2": "unknown",
        "a3": "unlabelled",
        "a4": "repetitive",
        "a5": "contaminated",
        "a6": "same as another",
        "a7": "",
        "a8": "cut",
    }


def test_one_text_of_two_teachers_is_kept_once() -> None:
    found = sift([trace("a", 0, "x"), trace("a", 1, "y"), trace("b", 0, "y "), trace("b", 1, "z")], (), 9, clean)
    assert names(found) == ["a0", "b0", "b1"]
    assert reasons(found)["a1"] == "same as another"


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("uvwxyz"), st.sampled_from(["correct", "incorrect"])),
        max_size=20,
    ),
    keep=st.integers(1, 6),
)
def test_nothing_is_lost_and_what_stays_is_distinct_and_spread(rows: list[tuple[str, str, str]], keep: int) -> None:
    asked = [trace(teacher, i, text, status=status) for i, (teacher, text, status) in enumerate(rows)]
    found = sift(asked, ("u",), keep, clean)
    assert sorted((t.teacher, t.sample) for t in found) == sorted((t.teacher, t.sample) for t in asked)
    kept = [t for t in found if not t.reason]
    good = {t.response for t in asked if t.verified} - {"u"}
    assert len(kept) == min(keep, len(good)) == len({t.response for t in kept})
    per_teacher = [sum(t.teacher == teacher for t in kept) for teacher in "abc"]
    possible = [
        len({t.response for t in found if t.teacher == n and t.reason in ("", "more than keep")}) for n in "abc"
    ]
    for count, most in zip(per_teacher, possible, strict=True):
        assert count == most or count >= max(per_teacher) - 1


def test_words_of_a_benchmark_question_in_a_trace() -> None:
    question = "How many ways are there to colour the six faces of a cube with three colours"
    contaminated = contamination([open_problem(question=question, answer="57")], 10)
    assert contaminated("We ask: how many WAYS are there, to colour the six faces? 57.")
    assert not contaminated("We ask how many ways are there to colour a die. 57.")
    assert not contaminated("")
