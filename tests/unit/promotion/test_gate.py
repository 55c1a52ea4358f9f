"""The gate's rules on counts made by hand."""

import pytest

from vibethinker.promotion.checks import Check
from vibethinker.promotion.gate import decide
from vibethinker.promotion.measurement import Counts, Measurement

SAMPLING = {"maths": {"samples": 4, "temperature": 1.0}}


def measured(
    counts: Counts, digest: str = "d" * 64, sampling: dict[str, dict[str, float]] | None = None
) -> Measurement:
    return Measurement(set_digest=digest, sampling=sampling or SAMPLING, counts=counts)


def uniform(correct: int, questions: int = 60, shift: int = 0) -> Counts:
    """Two domains; `correct` of 8 on each question, give or take one (the same questions for every model)."""
    rows = {f"q/{i:02d}": (8, correct + (i % 3) - 1) for i in range(questions)}
    return {"algebra": rows, "code": {q: (n, c + shift) for q, (n, c) in rows.items()}}


def test_a_first_model_needs_the_floor() -> None:
    counts: Counts = {"algebra": {"1": (4, 2), "2": (4, 0)}, "code": {"3": (4, 3)}}  # (1/4 + 3/4) / 2
    reached = decide(measured(counts), None, floor=0.5, min_effect=0.0)
    assert reached.decision == "promoted"
    assert reached.candidate == pytest.approx(0.5)
    assert "reaches the floor of 50.0%" in reached.reason
    assert reached.low is not None and reached.low <= 0.5
    missed = decide(measured(counts), None, floor=0.51, min_effect=0.0)
    assert missed.decision == "refused"
    assert "is below the floor" in missed.reason


def test_the_effect_is_paired_by_question() -> None:
    """Questions differ widely, the models by one answer in eight on each: only the paired interval is clear of zero."""
    low: Counts = {"algebra": {f"q/{i:02d}": (8, i % 8) for i in range(64)}}
    high: Counts = {"algebra": {q: (8, c + 1) for q, (_, c) in low["algebra"].items()}}
    # differences that are all equal leave the interval some width; vary a few
    high["algebra"]["q/00"] = (8, 0)
    high["algebra"] |= {f"q/{i:02d}": (8, 3 + i % 2) for i in (9, 10, 11, 12, 13)}
    decision = decide(measured(high), measured(low), floor=0.0, min_effect=0.0)
    assert decision.decision == "promoted"
    assert decision.effect == pytest.approx(decision.candidate - (decision.champion or 0))
    assert decision.low is not None and decision.high is not None
    assert 0 < decision.low <= (decision.effect or 0) <= decision.high


def test_the_order_of_questions_does_not_matter() -> None:
    low, high = uniform(3), uniform(4)
    high["algebra"]["q/01"] = (8, 2)
    turned = {d: dict(reversed(list(q.items()))) for d, q in reversed(list(high.items()))}
    assert decide(measured(turned), measured(low), 0, 0) == decide(measured(high), measured(low), 0, 0)


def test_a_smaller_effect_than_asked_is_refused() -> None:
    decision = decide(measured(uniform(5)), measured(uniform(4)), floor=0.0, min_effect=0.2)  # effect 1/8
    assert decision.decision == "refused"
    assert decision.effect == pytest.approx(0.125)
    assert "does not lie above 20.0%" in decision.reason


def test_the_same_model_is_refused() -> None:
    decision = decide(measured(uniform(4)), measured(uniform(4)), floor=0.0, min_effect=0.0)
    assert decision.decision == "refused"
    assert decision.effect == 0.0


def test_a_worse_model_is_refused_whatever_the_floor() -> None:
    decision = decide(measured(uniform(3)), measured(uniform(5)), floor=0.0, min_effect=0.0)
    assert decision.decision == "refused"
    assert decision.effect == pytest.approx(-0.25)


def test_a_gain_in_one_domain_may_not_hide_a_loss_in_the_other() -> None:
    """Domains weigh the same however many questions they have."""
    low: Counts = {
        "algebra": {f"q/{i}": (8, 3 + i % 3) for i in range(90)},
        "code": {f"c/{i}": (8, 4) for i in range(9)},
    }
    high: Counts = {
        "algebra": {q: (8, c + 1) for q, (_, c) in low["algebra"].items()},
        "code": dict.fromkeys(low["code"], (8, 3)),
    }
    decision = decide(measured(high), measured(low), 0, 0)
    assert decision.effect == pytest.approx(0.0)
    assert decision.decision == "refused"


def test_another_promotion_set_is_refused() -> None:
    decision = decide(measured(uniform(7), "e" * 64), measured(uniform(3)), floor=0.0, min_effect=0.0)
    assert decision.decision == "refused"
    assert "another promotion set (dddddddddddd, candidate on eeeeeeeeeeee)" in decision.reason
    assert decision.effect is None


def test_another_sampling_is_refused() -> None:
    other = {"maths": {"samples": 4, "temperature": 0.6}}
    decision = decide(measured(uniform(7), sampling=other), measured(uniform(3)), floor=0.0, min_effect=0.0)
    assert decision.decision == "refused"
    assert "sampled otherwise" in decision.reason


def test_pairing_is_by_question_not_by_position() -> None:
    """The digests agree, the ids don't: nothing is compared."""
    other = {d: {f"x/{q}": row for q, row in questions.items()} for d, questions in uniform(3).items()}
    decision = decide(measured(uniform(7)), measured(other), floor=0.0, min_effect=0.0)
    assert decision.decision == "refused" and decision.effect is None
    assert decision.reason == "240 questions were put to one of the two only, e.g. 'q/00' of domain 'algebra'"


def test_a_question_in_another_domain_is_no_pair() -> None:
    low = uniform(3)
    low["geometry"] = low.pop("code")
    decision = decide(measured(uniform(7)), measured(low), floor=0.0, min_effect=0.0)
    assert decision.decision == "refused" and "120 questions were put to one of the two only" in decision.reason


def test_questions_sampled_more_often_are_no_pair() -> None:
    low = uniform(3)
    low["code"]["q/07"] = (16, 4)
    decision = decide(measured(uniform(7)), measured(low), floor=0.0, min_effect=0.0)
    assert decision.decision == "refused" and decision.effect is None
    assert decision.reason == "1 questions were not sampled equally often, e.g. 'q/07': champion 16, candidate 8"


def test_the_level_is_the_declared_one() -> None:
    """The same difference, clear of zero at 60% and not at 99%."""
    low: Counts = {"algebra": {f"q/{i:02d}": (8, 4) for i in range(40)}}
    high: Counts = {"algebra": {f"q/{i:02d}": (8, 6 if i % 3 else 2) for i in range(40)}}
    wide, narrow = (decide(measured(high), measured(low), 0, 0, level) for level in (0.99, 0.6))
    assert wide.effect == narrow.effect and wide.low is not None and narrow.low is not None
    assert wide.low < 0 < narrow.low < (wide.effect or 0)
    assert (wide.decision, narrow.decision) == ("refused", "promoted")
    assert "(99% " in wide.reason and "(60% " in narrow.reason
    first = [decide(measured(high), None, 0.1, 0, level).low for level in (0.99, 0.6)]
    assert first[0] is not None and first[1] is not None and first[0] < first[1]


def test_checks_are_listed_in_order() -> None:
    decision = decide(measured(uniform(5)), measured(uniform(3)), 0, 0)
    assert [(c.name, c.passed) for c in decision.checks] == [
        ("promotion set", True),
        ("sampling", True),
        ("questions", True),
        ("effect", True),
    ]
    assert decision.checks[1].seen == "maths: samples 4, temperature 1"
    assert decision.checks[2].seen == "120 questions, paired by id"
    refused = decide(measured(uniform(5), "e" * 64), measured(uniform(3)), 0, 0)
    assert [c.passed for c in refused.checks] == [False, True, True]


def test_a_check_that_fails_later_refuses() -> None:
    decision = decide(measured(uniform(5)), measured(uniform(3)), 0, 0)
    good, bad = Check(name="a", passed=True, seen="x"), Check(name="files", passed=False, seen="one is missing")
    assert decision.after([good]).decision == "promoted"
    refused = decision.after([good, bad, Check(name="b", passed=False, seen="y")])
    assert (refused.decision, refused.reason) == ("refused", "files: one is missing")
    assert refused.effect == decision.effect and len(refused.checks) == 7
