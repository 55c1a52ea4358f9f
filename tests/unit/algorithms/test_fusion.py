"""M_merge = sum_i w_i M_i* [A 3.3]."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.algorithms.fusion import linear_average
from vibethinker.algorithms.fusion_weights import fusion_weights


def test_average_by_hand() -> None:
    found = linear_average([torch.tensor([1.0, 2.0]), torch.tensor([5.0, -2.0])], [0.25, 0.75])
    assert found.tolist() == [4.0, -1.0]


def test_bfloat16_is_summed_in_float32() -> None:
    # in bfloat16 1 + 1/256 is 1 again; the average of 1 and 1 + 1/64 is 1 + 1/128, which bfloat16 holds
    experts = [torch.tensor([1.0]), *[torch.tensor([1 + 1 / 64])] * 3, *[torch.tensor([1.0])] * 2]
    found = linear_average([e.bfloat16() for e in experts], [1 / 6] * 6)
    assert found.dtype == torch.bfloat16
    assert found.item() == 1 + 1 / 128


def test_inputs_are_left_alone() -> None:
    first = torch.tensor([1.0])
    linear_average([first, torch.tensor([3.0])], [0.5, 0.5])
    assert first.item() == 1.0


def test_as_many_weights_as_experts() -> None:
    with pytest.raises(ValueError):
        linear_average([torch.tensor([1.0])], [0.5, 0.5])


def test_weights_default_to_one_over_n() -> None:
    assert fusion_weights(["a", "b", "c", "d"], {}) == [0.25] * 4


def test_given_weights_are_scaled_and_kept_in_the_order_of_domains() -> None:
    assert fusion_weights(["a", "b", "c"], {"c": 3, "a": 1}) == [0.25, 0.0, 0.75]


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_weights_sum_to_one(values: list[float]) -> None:
    domains = [f"d{i}" for i in range(len(values))]
    found = fusion_weights(domains, dict(zip(domains, values, strict=True)))
    assert sum(found) == pytest.approx(1)
    assert all(w > 0 for w in found)
