"""M_merge = sum_i w_i M_i* [A 3.3]."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vibethinker.algorithms.fusion import linear_average
from vibethinker.algorithms.fusion_weights import fusion_weights


def average(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    return linear_average(tensors, weights, torch.empty_like(tensors[0]), torch.empty(2, len(tensors[0])))


def test_average_by_hand() -> None:
    assert average([torch.tensor([1.0, 2.0]), torch.tensor([5.0, -2.0])], [0.25, 0.75]).tolist() == [4.0, -1.0]


def test_weights_are_divided_by_their_sum() -> None:
    assert average([torch.tensor([1.0]), torch.tensor([4.0])], [1, 2]).tolist() == [3.0]


def test_bfloat16_is_summed_in_float32() -> None:
    # in bfloat16 1 + 1/256 is 1 again; the average of 1 and 1 + 1/64 is 1 + 1/128, which bfloat16 holds
    experts = [torch.tensor([1.0]), *[torch.tensor([1 + 1 / 64])] * 3, *[torch.tensor([1.0])] * 2]
    found = average([e.bfloat16() for e in experts], [1 / 6] * 6)
    assert found.dtype == torch.bfloat16
    assert found.item() == 1 + 1 / 128


def test_a_product_is_not_rounded_before_it_is_added() -> None:
    exact = 3 * torch.tensor(0.1).double()
    rounded = exact.float()
    rest = (exact - rounded.double()).item()
    assert rest != 0
    found = average([-rounded.unsqueeze(0), torch.tensor([3.0])], [1.0, 0.1])
    assert found.item() == pytest.approx(rest / 1.1, rel=1e-5)


def test_inputs_may_share_memory_and_work_may_be_longer() -> None:
    memory, out, work = torch.empty(2), torch.empty(2, dtype=torch.float64), torch.full((2, 9), float("nan"))
    inputs = (memory.copy_(torch.tensor(v)) for v in ([1.0, 2.0], [5.0, -2.0]))
    assert linear_average(inputs, [0.25, 0.75], out, work).tolist() == [4.0, -1.0]
    assert memory.tolist() == [5.0, -2.0]


def test_as_many_weights_as_experts() -> None:
    with pytest.raises(ValueError):
        average([torch.tensor([1.0])], [0.5, 0.5])


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
