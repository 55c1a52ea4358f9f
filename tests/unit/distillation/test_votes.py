"""Labels by majority, with the equivalence that grades."""

from collections.abc import Iterator

import pytest

from tests.unit.distillation.made import open_problem, trace
from vibethinker.distillation.traces import Trace
from vibethinker.distillation.votes import Votes, pseudo_label
from vibethinker.verifiers.grader import Grader

VOTES = Votes(min_votes=2, min_share=0.5)


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader() as grader:
        yield grader


def answers(*given: str | None, **more: str) -> list[Trace]:
    return [trace("a", i, status="unlabelled", extracted=a, **more) for i, a in enumerate(given)]


def test_equal_answers_vote_together(grader: Grader) -> None:
    found = pseudo_label(open_problem(), answers("0.5", "3", r"\frac{1}{2}", None, "1/2", "1/2"), VOTES, grader)
    assert found is not None
    label, graded = found
    assert label == "1/2"
    assert [t.status for t in graded] == ["correct", "incorrect", "correct", "incorrect", "correct", "correct"]


@pytest.mark.parametrize(
    "given, votes, label",
    [
        (("1", "1", "2"), Votes(2, 0.5), "1"),
        (("1", "1", "2"), Votes(3, 0.5), None),  # too few
        (("1", "1", "2", "3", "4"), Votes(2, 0.5), None),  # too small a share
        (("1", "1", "2", "3", "4"), Votes(2, 0.4), "1"),
        (("1", "1", "2", "2"), Votes(2, 0.5), None),  # a tie
        (("1", "1", None, None, None), Votes(2, 1.0), "1"),  # no answer, no vote
        (("", "", "1", "1"), Votes(2, 1.0), "1"),  # an empty box is no answer
        (("x" * 1001, "x" * 1001), Votes(2, 0.5), None),
        ((), Votes(2, 0.5), None),
    ],
)
def test_when_a_majority_counts(grader: Grader, given: tuple[str | None, ...], votes: Votes, label: str | None) -> None:
    found = pseudo_label(open_problem(), answers(*given), votes, grader)
    assert (found[0] if found else None) == label


def test_a_choice_is_labelled_with_its_letter(grader: Grader) -> None:
    found = pseudo_label(open_problem("choice"), answers("(B)", "B. 5 m", "A or B", "C"), VOTES, grader)
    assert found is not None
    assert found[0] == "B"
    assert [t.status for t in found[1]] == ["correct", "correct", "incorrect", "incorrect"]


def test_cut_and_looping_responses_have_no_vote(grader: Grader) -> None:
    cut = answers("7", "7", "7", finish_reason="length")
    looping = answers("7", "7", "7", response=r"So \boxed{7}. " * 60)
    good = answers("8", "8")
    for others in (cut, looping):
        found = pseudo_label(open_problem(), others + good, VOTES, grader)
        assert found is not None and found[0] == "8"
