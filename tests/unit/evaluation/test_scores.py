"""Scores against a case worked by hand."""

import pytest

from vibethinker.evaluation.scores import correct_counts, rates, score_domains
from vibethinker.records import FinishReason, Sample, VerdictStatus


def sample(
    domain: str, problem: str, index: int, status: VerdictStatus, tokens: int = 10, finish: FinishReason = "stop"
) -> Sample:
    return Sample(
        problem_id=problem,
        domain=domain,
        sample=index,
        response="",
        tokens=tokens,
        finish_reason=finish,
        status=status,
    )


SAMPLES = [
    # algebra: 2 of 4 and 0 of 4; code: 1 of 2, the other unknown
    *[sample("algebra", "a/1", i, s) for i, s in enumerate(["correct", "incorrect", "correct", "incorrect"])],
    *[sample("algebra", "a/2", i, "incorrect", 30, "length") for i in range(4)],
    sample("code", "c/1", 0, "correct"),
    sample("code", "c/1", 1, "unknown"),
]


def test_counts() -> None:
    assert correct_counts(SAMPLES) == {"algebra": {"a/1": (4, 2), "a/2": (4, 0)}, "code": {"c/1": (2, 1)}}


def test_rates_are_unbiased() -> None:
    counts = correct_counts(SAMPLES)["algebra"]
    assert rates(counts, 1).tolist() == pytest.approx([0.5, 0.0])
    assert rates(counts, 2).tolist() == pytest.approx([1 - 1 / 6, 0.0])  # 1 - C(2, 2) / C(4, 2)


def test_domains_by_hand() -> None:
    scores = score_domains(SAMPLES, 2)
    assert list(scores) == ["algebra", "code", "overall"]
    algebra = scores["algebra"]
    assert (algebra.problems, algebra.samples) == (2, 8)
    assert algebra.pass_at_1 == pytest.approx(0.25)
    assert algebra.pass_at_k == pytest.approx(5 / 12)
    assert algebra.truncated == 0.5
    assert algebra.unknown == 0.0
    assert algebra.mean_tokens == 20
    assert algebra.pass_at_1_low <= 0.25 <= algebra.pass_at_1_high


def test_unknown_counts_as_wrong_and_is_shown() -> None:
    code = score_domains(SAMPLES, 2)["code"]
    assert code.pass_at_1 == 0.5
    assert code.pass_at_k == 1.0
    assert code.unknown == 0.5


def test_overall_weighs_domains_equally_not_samples() -> None:
    overall = score_domains(SAMPLES, 2)["overall"]
    assert overall.pass_at_1 == pytest.approx((0.25 + 0.5) / 2)
    assert overall.pass_at_k == pytest.approx((5 / 12 + 1) / 2)
    assert (overall.problems, overall.samples) == (3, 10)
    assert overall.unknown == 0.1
    assert overall.truncated == 0.4
    assert overall.mean_tokens == pytest.approx(18)


def test_the_order_of_samples_does_not_matter() -> None:
    assert score_domains(SAMPLES[::-1], 2)["overall"].pass_at_k == pytest.approx(
        score_domains(SAMPLES, 2)["overall"].pass_at_k
    )


def test_fewer_samples_than_k_is_refused() -> None:
    with pytest.raises(ValueError, match="sample more"):
        score_domains(SAMPLES, 4)


def test_many_questions_give_a_narrower_interval() -> None:
    def width(questions: int) -> float:
        rows = [
            sample("d", f"q/{q}", i, "correct" if (q + i) % 3 == 0 else "incorrect")
            for q in range(questions)
            for i in (0, 1)
        ]
        score = score_domains(rows, 1)["d"]
        return score.pass_at_1_high - score.pass_at_1_low

    assert width(400) < width(100) / 1.7 < width(25) / 2.5
