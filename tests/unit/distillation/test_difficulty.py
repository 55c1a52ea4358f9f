"""Which problems are hard, and which of their traces are long: by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibethinker.distillation.difficulty import check_domains, check_long, hard_subset, is_hard, judged, rate, tally
from vibethinker.errors import DataError
from vibethinker.records import Problem, Sample, VerdictStatus


def problem(name: str, domain: str = "algebra", traces: tuple[str, ...] = ("short", "a longer one")) -> Problem:
    return Problem(
        id=name, domain=domain, question=f"What is {name}?", verifier="maths", answer="1", traces=traces, source="t"
    )


def sample(name: str, number: int, status: VerdictStatus) -> Sample:
    return Sample(
        problem_id=name, domain="d", sample=number, response="", tokens=1, finish_reason="stop", status=status
    )


@pytest.mark.parametrize(
    ("known", "correct", "share", "hard"),
    [
        (8, 2, 0.75, True),  # 6 of 8 failed: just at least 75% [B]
        (8, 3, 0.75, False),
        (4, 1, 0.75, True),
        (7, 2, 0.75, False),  # 5 of 7
        (10, 3, 0.7, True),  # the quotient is the very number that 0.7 is
        (8, 0, 1.0, True),
        (8, 1, 1.0, False),
        (0, 0, 0.75, False),  # nothing was judged
        (0, 0, 0.0, True),
        (8, 8, 0.0, True),
    ],
)
def test_a_problem_is_hard_where_enough_of_the_judged_rollouts_fail(
    known: int, correct: int, share: float, hard: bool
) -> None:
    assert is_hard(known, correct, share) is hard


def test_an_unknown_verdict_is_neither_failed_nor_counted() -> None:
    statuses: list[VerdictStatus] = ["correct", "incorrect", "incorrect", "incorrect", "unknown", "unknown"]
    counts = judged([sample("a", i, s) for i, s in enumerate(statuses)] + [sample("b", 0, "unknown")])
    assert counts == {"a": (4, 1), "b": (0, 0)}
    assert is_hard(*counts["a"], 0.75) and not is_hard(*counts["b"], 0.75)


def test_both_conditions_together_and_only_the_long_traces_stay() -> None:
    problems = [problem("hard"), problem("easy"), problem("brief"), problem("never asked")]
    counts = {"hard": (8, 1), "easy": (8, 7), "brief": (8, 0)}
    rated = rate(problems, counts, [(2, 5), (9, 9), (4, 4), (9, 9)], 0.75, 5)
    assert [(r.hard, r.long, r.kept) for r in rated] == [
        (True, (False, True), True),
        (False, (True, True), False),
        (True, (False, False), False),
        (False, (True, True), False),
    ]
    assert hard_subset(rated) == [problems[0].model_copy(update={"traces": ("a longer one",)})]
    assert tally(rated) == {"problems": 4, "hard": 2, "long": 3, "kept": 1}
    assert rated[0].row == {
        "problem_id": "hard",
        "domain": "algebra",
        "samples": 8,
        "correct": 1,
        "longest_trace": 5,
        "kept": True,
    }


def test_a_domain_without_a_hard_problem_is_named_with_what_to_loosen() -> None:
    rated = rate(
        [problem("a"), problem("b", "code"), problem("c", "code")],
        {"a": (4, 0), "b": (4, 0), "c": (4, 4)},
        [(9, 9), (1, 2), (9, 9)],
        0.75,
        5,
    )
    check_domains(rated, ["algebra"], 0.75, 5)
    with pytest.raises(DataError) as caught:
        check_domains(rated, ["algebra", "code"], 0.75, 5)
    text = str(caught.value)
    assert "no problem of domain 'code': of 2 problems the reference model fails 1 often enough" in text
    assert (
        "sft.curriculum.fail_share = 0.75), 1 have a trace of at least 5 tokens (sft.curriculum.min_trace_tok" in text
    )
    with pytest.raises(DataError, match="domain 'geometry': of 0 problems"):
        check_domains(rated, ["geometry"], 0.75, 5)


def test_a_domain_without_a_long_trace_is_named_with_what_it_has() -> None:
    problems = [problem("a"), problem("b", "code"), problem("c", "code")]
    check_long(problems, [(5,), (2, 4), (1, 5)], ["algebra", "code"], 5)
    with pytest.raises(DataError, match=r"domain 'code': of 2 problems 0 have a trace of at least 5 tokens .* has 4;"):
        check_long(problems, [(5,), (2, 4), (1, 3)], ["algebra", "code"], 5)
    with pytest.raises(DataError, match="domain 'geometry': of 0 problems"):
        check_long(problems, [(5,), (2, 4), (1, 5)], ["geometry"], 0)


@given(st.integers(1, 64).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), st.floats(0, 1), st.floats(0, 1))
def test_a_lower_share_never_loses_a_problem(counts: tuple[int, int], one: float, other: float) -> None:
    known, correct = counts
    assert is_hard(known, correct, min(one, other)) >= is_hard(known, correct, max(one, other))
