"""Which problems a step asks."""

from collections import Counter

import pytest

from vibethinker.records import Problem
from vibethinker.rollout.engine import Prompt
from vibethinker.training.questions import prefer_uncertain, refill_order, visit_all
from vibethinker.training.signal import Task


def tasks(count: int) -> list[Task]:
    return [
        Task(
            Problem(id=f"t/{i}", domain="algebra", question="?", verifier="maths", answer="1", source="t"),
            Prompt(f"t/{i}", (1,)),
        )
        for i in range(count)
    ]


def ids(chosen: list[Task]) -> list[str]:
    return [task.problem.id for task in chosen]


def test_every_problem_comes_once_before_any_comes_again() -> None:
    twelve = tasks(12)
    first = [i for step in range(3) for i in ids(visit_all(twelve, 4, 5, step))]
    second = [i for step in range(3, 6) for i in ids(visit_all(twelve, 4, 5, step))]
    assert sorted(first) == sorted(second) == sorted(ids(twelve))
    assert first != second


def test_what_does_not_fill_a_step_is_left_to_the_next_epoch() -> None:
    asked = [ids(visit_all(tasks(10), 4, 5, step)) for step in range(4)]
    assert [len(set(asked[i] + asked[i + 1])) for i in (0, 2)] == [8, 8]


@pytest.mark.parametrize("step", range(4))
def test_a_step_holds_each_problem_once_however_few_there_are(step: int) -> None:
    assert sorted(ids(visit_all(tasks(3), 4, 5, step))) == ["t/0", "t/1", "t/2"]
    assert sorted(ids(prefer_uncertain(tasks(3), 4, 5, step, {}, 2.0))) == ["t/0", "t/1", "t/2"]


def test_uncertain_problems_are_drawn_in_proportion_to_their_weight() -> None:
    """D_ME(0.25) = ln 2 - H(0.25) = 0.1308; D_ME(1) = ln 2: weights 1, exp(-0.1308 x), 2^-x."""
    rates = {"t/0": 0.5, "t/1": 0.25, "t/2": 1.0}  # t/3 was never measured: as 0.5
    drawn = Counter(ids(prefer_uncertain(tasks(4), 1, 5, step, rates, 3.0))[0] for step in range(4000))
    weights = {"t/0": 1.0, "t/1": 0.6754, "t/2": 0.125, "t/3": 1.0}
    for problem, weight in weights.items():
        assert drawn[problem] / 4000 == pytest.approx(weight / sum(weights.values()), abs=0.03)


def test_draws_depend_on_seed_and_step_alone() -> None:
    many = tasks(50)
    assert ids(prefer_uncertain(many, 5, 1, 2, {}, 1.0)) == ids(prefer_uncertain(many, 5, 1, 2, {}, 1.0))
    assert ids(prefer_uncertain(many, 5, 1, 2, {}, 1.0)) != ids(prefer_uncertain(many, 5, 1, 3, {}, 1.0))


def test_a_refill_asks_what_the_step_has_not() -> None:
    many = tasks(20)
    asked = visit_all(many, 8, 5, 0)
    spare = refill_order(many, asked, 5, 0)
    assert sorted(ids(spare) + ids(asked)) == sorted(ids(many))
    assert ids(spare) != sorted(ids(spare))
    assert ids(refill_order(many, asked, 5, 1)) != ids(spare)
