"""Verdicts on hand-made counts."""

from dataclasses import replace

import pytest

from vibethinker.algorithms.statistics import Interval
from vibethinker.reports.data import Count, Hypothesis, ModelScores
from vibethinker.reports.hypotheses import _verdict, judge, per_question

SETTINGS = {"domains": {"a": "maths", "b": "maths"}, "mgpo": {"stages": [{"name": "short"}, {"name": "long"}]}}


def model(name: str, *correct: list[int], samples: int = 4, digest: str = "d") -> ModelScores:
    """Scores with `correct` samples per question: one list per domain."""
    counts = {
        domain: {f"q{i}": Count(samples, c) for i, c in enumerate(rows)}
        for domain, rows in zip("ab", correct, strict=False)
    }
    return ModelScores(name, 2, {}, digest, {}, None, counts)


def experts() -> list[ModelScores]:
    return [
        model("expert-a", [2, 2, 1, 1] * 8, [1, 1, 0, 0] * 8),
        model("expert-b", [1, 1, 0, 0] * 8, [2, 2, 1, 1] * 8),
    ]


def verdicts(*models: ModelScores) -> tuple[Hypothesis, Hypothesis]:
    first, second = judge([*experts(), *models], SETTINGS)
    return first, second


def test_per_question_pass_at_2_by_hand() -> None:
    # 1 - C(4-c, 2) / 6 for c = 0, 1, 2, 3
    found = per_question(model("m", [0, 1, 2, 3], [4]), 2)
    assert found["a"] == pytest.approx([0, 0.5, 5 / 6, 1]) and found["b"] == pytest.approx([1])


def test_effect_is_the_mean_over_domains_of_the_difference_to_the_experts_mean() -> None:
    # Experts' mean correct in both domains: (2+1)/2 and (1+0)/2 of 4, so 1.0. Fused: 2.0 in a, 1.0 in b.
    fused = model("fused", [3, 2, 2, 1] * 8, [2, 1, 1, 0] * 8)
    fusion, _ = verdicts(fused)
    a = ((3 + 2 + 2 + 1) / 4 - 1.0) / 4
    assert fusion.measures[0].effect.mean == pytest.approx((a + 0.0) / 2)


def test_all_shown() -> None:
    fusion, signal = verdicts(
        model("fused", [3, 3, 2, 3] * 8, [3, 2, 3, 2] * 8), model("mgpo-long", [4] * 32, [4, 4, 3, 4] * 8)
    )
    assert fusion.verdict == "shown" and all(m.effect.low >= 0 for m in fusion.measures)
    assert signal.verdict == "shown" and signal.measures[0].effect.low > 0
    assert "Pass@1 +" in signal.sentence and "95% interval" in signal.sentence


def test_opposite_shown() -> None:
    fusion, signal = verdicts(
        model("fused", [0, 0, 0, 1] * 8, [0, 0, 1, 0] * 8), model("mgpo-long", [0] * 32, [0] * 32)
    )
    assert fusion.verdict == "opposite shown"
    assert signal.verdict == "opposite shown" and signal.measures[0].effect.high < 0


def test_an_effect_inside_its_interval_is_not_shown() -> None:
    fused = model("fused", [2, 0] * 16, [1, 1] * 16)
    fusion, signal = verdicts(fused, model("mgpo-long", [0, 2] * 16, [2, 0, 1, 1] * 8))
    assert fusion.verdict == "not shown" and signal.verdict == "not shown"
    assert isinstance(signal.measures[0].effect, Interval)


def test_equal_models_are_not_shown_to_differ() -> None:
    fused = model("fused", [2, 1] * 16, [2, 1] * 16)
    _, signal = verdicts(fused, model("mgpo-long", [2, 1] * 16, [2, 1] * 16))
    assert signal.verdict == "not shown" and signal.measures[0].effect.low < 0 < signal.measures[0].effect.high


@pytest.mark.parametrize(
    "last, why",
    [
        (None, "no benchmark samples of mgpo-long"),
        (model("mgpo-short", [4] * 32, [4] * 32), "no benchmark samples of mgpo-long"),
        (model("mgpo-long", [4] * 31, [4] * 32), "not measured on the same questions"),
        (model("mgpo-long", [4] * 32, [4] * 32, digest="other"), "not measured on the same questions"),
        (model("mgpo-long", [1] * 32, [1] * 32, samples=1), "fewer than K = 2 samples"),
    ],
)
def test_what_cannot_be_compared_is_not_measured(last: ModelScores | None, why: str) -> None:
    fused = model("fused", [2] * 32, [2] * 32)
    _, signal = verdicts(fused, *([last] if last else []))
    assert signal.verdict == "not measured" and why in signal.sentence and signal.measures == ()


def test_an_expert_that_was_not_measured_is_named() -> None:
    fusion, _ = judge([experts()[0], model("fused", [4] * 32, [4] * 32)], SETTINGS)
    assert fusion.verdict == "not measured" and "no benchmark samples of expert-b" in fusion.sentence


def test_without_experts_the_fusion_is_not_measured() -> None:
    fusion, _ = judge([model("fused", [2], [2])], {})
    assert fusion.verdict == "not measured" and "no expert" in fusion.sentence


HARD = SETTINGS | {"sft": {"curriculum": {"epochs": 2.0}}, "self_distillation": {"keep": 4}}


def hard_experts() -> list[ModelScores]:
    return [replace(e, model=f"hard-{e.model}") for e in experts()]


def test_claims_follow_the_profile() -> None:
    assert [h.name for h in judge([], SETTINGS)] == ["H1", "H2"]
    assert [h.name for h in judge([], HARD)] == ["H1", "H2", "H1, second round", "H3", "H4"]
    assert {h.verdict for h in judge([], HARD)} == {"not measured"}
    assert [h.name for h in judge([model("student", [1], [1])], {})] == ["H1", "H2", "H4"]


def test_mgpo_is_judged_against_the_model_it_started_from() -> None:
    weak, strong = model("fused", [1] * 32, [1] * 32), model("hard-fused", [3] * 32, [3] * 32)
    last = model("mgpo-long", [2] * 32, [2] * 32)
    assert judge([weak, last], SETTINGS)[1].verdict == "shown"
    signal = judge([weak, strong, last], HARD)[1]
    assert signal.verdict == "opposite shown" and "second round's fused model" in signal.sentence


def test_the_second_round_and_the_student() -> None:
    first = model("fused", [1, 2] * 16, [1, 1] * 16)
    second = model("hard-fused", [2, 3] * 16, [2, 2] * 16)
    last = model("mgpo-long", [3, 3, 2, 3] * 8, [3, 2, 3, 3] * 8)
    found = {
        h.name: h
        for h in judge([*experts(), *hard_experts(), first, second, last, replace(last, model="student")], HARD)
    }
    assert found["H1, second round"].verdict == "shown" and "second round" in found["H1, second round"].sentence
    assert found["H3"].verdict == "shown" and [m.name for m in found["H3"].measures] == ["Pass@1", "Pass@2"]
    assert found["H3"].measures[0].effect.mean == pytest.approx(0.25)
    # Equal counts: at least as good would need an interval that ends at 0, and so few questions can't give one
    assert found["H4"].verdict == "not shown" and found["H4"].measures[0].effect.mean == 0
    worse = {
        h.name: h for h in judge([first, replace(first, model="mgpo-long"), model("student", [0] * 32, [0] * 32)], HARD)
    }
    assert worse["H4"].verdict == "opposite shown" and worse["H1, second round"].verdict == "not measured"


def test_above_needs_more_than_zero_and_at_least_does_not() -> None:
    edge = [Interval(0.1, 0.0, 0.2), Interval(0.1, 0.05, 0.2)]
    assert (_verdict(edge, above=True), _verdict(edge, above=False)) == ("not shown", "shown")
    assert _verdict([*edge, Interval(-0.1, -0.2, -0.01)], above=False) == "opposite shown"
