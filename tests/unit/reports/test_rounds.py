"""Names of rounds, and what a round cost."""

from typing import Any

import pytest

from vibethinker.reports.collect import collect
from vibethinker.reports.data import ReportData
from vibethinker.reports.round_costs import round_costs
from vibethinker.reports.rounds import domain_of, expert_of, fused_of, is_expert, round_of


@pytest.mark.parametrize(
    "name, turn, expert",
    [
        ("expert-algebra", "", True),
        ("hard-expert-algebra", "hard", True),
        ("student-expert-all", "student", True),
        ("expert-hard-sums", "", True),  # a domain may bear any name
        ("fused", "", False),
        ("hard-fused", "hard", False),
        ("hard-traces", "hard", False),
        ("student-fuse", "student", False),
        ("student", "student", False),
        ("probing-sets", "", False),
        ("mgpo-maths-short", "", False),
        ("benchmark-hard-expert-algebra", "", False),
        ("base", "", False),
    ],
)
def test_round_of_a_name(name: str, turn: str, expert: bool) -> None:
    assert (round_of(name), is_expert(name)) == (turn, expert)


def test_names_are_made_and_read_alike() -> None:
    for turn in ("", "hard", "student"):
        assert round_of(expert_of(turn, "code")) == turn and domain_of(expert_of(turn, "code")) == "code"
        assert round_of(fused_of(turn)) == turn
    assert [fused_of(turn) for turn in ("", "hard", "student")] == ["fused", "hard-fused", "student"]


def test_cost_of_the_rounds_by_hand(rounds_data: ReportData) -> None:
    first, hard, student = round_costs(rounds_data)
    assert [r.turn for r in (first, hard, student)] == ["", "hard", "student"]
    # Two devices: traces 31 s and probing sets 40 s, five experts of 24 s, select 0.3 s and fuse 0.8 s
    assert first.seconds == pytest.approx({"traces": 142, "experts": 240, "selection and fusion": 2.2})
    assert hard.seconds == pytest.approx({"traces": 36, "experts": 240, "selection and fusion": 28.6})
    assert first.dollars == pytest.approx((142 + 240 + 2.2) * 0.04 / 3600)
    assert first.asked == pytest.approx(1.25 + 0.31) and hard.asked == 0 and student.asked == 0
    assert [r.tokens for r in (first, hard, student)] == [300_000, 300_000, 60_000]


def test_tokens_of_a_round_are_unknown_where_one_expert_has_none(whole_run: Any) -> None:
    (first,) = round_costs(collect(whole_run.folder, whole_run.workspace))
    assert first.tokens is None and len(first.experts) == 5
