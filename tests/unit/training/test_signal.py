"""From verdicts to weighted advantages, by hand."""

from collections.abc import Sequence

import pytest
import torch

from tests.unit.training.mgpo_lab import MGPO
from vibethinker.records import FinishReason, Problem, Verdict, VerdictStatus
from vibethinker.rollout.engine import Completion, Prompt
from vibethinker.training.signal import Rollout, Task, carries, weigh

PROBLEM = Problem(id="t/1", domain="algebra", question="?", verifier="maths", answer="1", source="t")
TASK = Task(PROBLEM, Prompt("t/1", (1,)))
ROOT_HALF = 0.5**0.5


def rollout(
    statuses: Sequence[VerdictStatus], lengths: Sequence[int] | None = None, cut: Sequence[int] = ()
) -> Rollout:
    lengths = lengths or [3] * len(statuses)
    reasons: list[FinishReason] = ["length" if i in cut else "stop" for i in range(len(statuses))]
    completions = tuple(Completion((7,) * n, (-1.0,) * n, r) for n, r in zip(lengths, reasons, strict=True))
    return Rollout(TASK, completions, tuple(Verdict(status=s) for s in statuses))


def w_me(p: float, lambda_me: float = 2.0) -> float:
    """2^-lambda p^(-lambda p) (1-p)^(-lambda (1-p)), another way to write it."""
    return float(2**-lambda_me * p ** (-lambda_me * p) * (1 - p) ** (-lambda_me * (1 - p)))


def test_weigh_by_hand() -> None:
    signal = weigh([rollout(["correct", "incorrect", "incorrect", "incorrect"])], MGPO, 0.0)
    assert signal.p_c.tolist() == [0.25]
    assert signal.w_me.tolist() == pytest.approx([w_me(0.25)])
    # sample deviation of (1, 0, 0, 0) is 1/2: A = 1.5, -0.5; the advantage is weighted, not the reward
    expected = [1.5 * w_me(0.25), *[-0.5 * w_me(0.25)] * 3]
    assert signal.advantages.tolist()[0] == pytest.approx(expected, rel=1e-5)


def test_unknown_verdicts_leave_the_group() -> None:
    signal = weigh([rollout(["correct", "incorrect", "unknown"]), rollout(["unknown"] * 3)], MGPO, 0.0)
    assert signal.p_c[0] == 0.5
    assert signal.p_c[1].isnan()
    assert signal.advantages.tolist() == [pytest.approx([ROOT_HALF, -ROOT_HALF, 0.0], rel=1e-4), [0.0] * 3]


@pytest.mark.parametrize("long2short", [0.2, 0.5])
def test_shaping_never_moves_p_c(long2short: float) -> None:
    rollouts = [
        rollout(["correct", "correct", "incorrect"], [3, 9, 5]),
        rollout(["correct"] * 3, [3, 9, 5]),
        rollout(["incorrect"] * 3, [3, 9, 5]),
        rollout(["correct"] * 3, [4, 4, 4]),
    ]
    plain, shaped = weigh(rollouts, MGPO, 0.0), weigh(rollouts, MGPO, long2short)
    assert torch.equal(plain.p_c, shaped.p_c)
    assert torch.equal(plain.w_me, shaped.w_me)
    assert shaped.advantages[0, 0] > shaped.advantages[0, 1]
    # a group solved by all still teaches which answers are short: p_c alone must not decide what is skipped
    assert not plain.advantages[1].any() and shaped.advantages[1].all()
    assert carries(rollouts[1], MGPO, long2short) and not carries(rollouts[1], MGPO, 0.0)
    assert not shaped.advantages[2].any() and not shaped.advantages[3].any()


def test_lambda_zero_is_grpo() -> None:
    rollouts = [rollout(["correct", *["incorrect"] * 7]), rollout(["correct", "incorrect"] * 4)]
    signal = weigh(rollouts, MGPO.model_copy(update={"lambda_me": 0.0}), 0.0)
    assert signal.w_me.tolist() == [1.0, 1.0]


def test_the_control_scales_grpo_by_the_mean_weight_of_the_groups_that_teach() -> None:
    rollouts = [
        rollout(["correct", "incorrect", "incorrect", "incorrect"]),
        rollout(["correct", "correct", "incorrect", "incorrect"]),
        rollout(["incorrect"] * 4),  # weighs nothing in either, and must not move the mean
    ]
    grpo = weigh(rollouts, MGPO.model_copy(update={"lambda_me": 0.0}), 0.0).advantages
    control = weigh(rollouts, MGPO.model_copy(update={"weighting": "batch-mean"}), 0.0)
    assert torch.allclose(control.advantages, grpo * (w_me(0.25) + 1) / 2)
    # what is reported stays MGPO's weight
    assert control.w_me.tolist() == pytest.approx([w_me(0.25), 1.0, 0.25])
    alone = weigh(rollouts[2:], MGPO.model_copy(update={"weighting": "batch-mean"}), 0.0)
    assert alone.advantages.tolist() == [[0.0] * 4]


def test_overlong_responses_count_as_the_setting_says() -> None:
    group = rollout(["correct", "correct", "incorrect", "incorrect"], cut=[1, 2])
    signals = {
        how: weigh([group], MGPO.model_copy(update={"overlong": how}), 0.0) for how in ("graded", "zero", "masked")
    }
    assert {how: s.p_c.item() for how, s in signals.items()} == {"graded": 0.5, "zero": 0.25, "masked": 0.5}
    assert signals["zero"].advantages[0].tolist() == pytest.approx(
        [1.5 * w_me(0.25), *[-0.5 * w_me(0.25)] * 3], rel=1e-5
    )
    graded, masked = signals["graded"].advantages[0].tolist(), signals["masked"].advantages[0].tolist()
    assert masked == [graded[0], 0.0, 0.0, graded[3]]
    assert signals["masked"].masked.tolist() == [[False, True, True, False]]


def test_a_cut_response_whose_grading_failed_is_known_where_cut_ones_are_worth_nothing() -> None:
    group = rollout(["correct", "unknown", "unknown"], cut=[1])
    assert weigh([group], MGPO.model_copy(update={"overlong": "zero"}), 0.0).p_c.item() == 0.5
