"""From logits and uniform numbers to tokens, by hand and against softmax."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.rollout.engine import Prompt, Sampling
from vibethinker.rollout.sampling import choose, draw_uniforms, nucleus


def test_choose_by_hand() -> None:
    """Shares 1/8, 5/8, 2/8: tokens change at 0.125 and 0.75."""
    logits = torch.tensor([1.0, 5.0, 2.0]).log() + 7
    uniforms = torch.tensor([0.0, 0.12, 0.13, 0.74, 0.76, 0.999])
    tokens, logps = choose(logits.expand(6, 3), uniforms, 1.0, 1.0)
    assert tokens.tolist() == [0, 0, 1, 1, 2, 2]
    assert logps.exp().tolist() == pytest.approx([0.125, 0.125, 0.625, 0.625, 0.25, 0.25])


def test_temperature_by_hand() -> None:
    """At temperature 1/2 shares are squared: 1, 25, 4 of 30."""
    logits = torch.tensor([[1.0, 5.0, 2.0]]).log()
    tokens, logps = choose(logits, torch.tensor([25.9 / 30]), 0.5, 1.0)
    assert tokens.tolist() == [1] and logps.exp().item() == pytest.approx(25 / 30)
    tokens, logps = choose(logits, torch.tensor([0.99]), 0.0, 1.0)
    assert tokens.tolist() == [1] and logps.exp().item() == pytest.approx(5 / 8)


def test_top_p_by_hand() -> None:
    """Of shares 1/8, 5/8, 2/8 the last two are kept; log-probabilities stay those of all three."""
    logits = torch.tensor([1.0, 5.0, 2.0]).log()
    tokens, logps = choose(logits.expand(3, 3), torch.tensor([0.0, 0.71, 0.72]), 1.0, 0.8)
    assert tokens.tolist() == [1, 1, 2]
    assert logps.exp().tolist() == pytest.approx([0.625, 0.625, 0.25])


@given(st.integers(0, 2**31), st.sampled_from([0.3, 1.0, 2.5]), st.sampled_from([0.6, 1.0]))
@settings(max_examples=50, deadline=None)
def test_log_probabilities_are_log_softmax(seed: int, temperature: float, top_p: float) -> None:
    """Also where logits are far from zero, as a real vocabulary's are."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(5, 4000, generator=generator) * 8 - 300
    tokens, logps = choose(logits, torch.rand(5, generator=generator), temperature, top_p)
    expected = torch.log_softmax(logits.double() / temperature, -1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(logps.double(), expected, rtol=0, atol=1e-4)
    assert logits.max() < 0  # what was given is left as it was


def test_nucleus_by_hand() -> None:
    mass = torch.tensor([[0.1, 0.5, 0.15, 0.25]])
    for top_p, kept in ((0.3, [1]), (0.5, [1]), (0.6, [1, 3]), (0.8, [1, 2, 3]), (0.95, [0, 1, 2, 3])):
        for scale in (1.0, 8.0):  # shares, not sums, decide
            found = nucleus(mass * scale, top_p)
            assert found.nonzero()[:, 1].tolist() == kept
            assert torch.equal(found[found > 0], mass[0][kept] * scale)


@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_the_ends_of_the_unit_interval_give_possible_tokens(top_p: float) -> None:
    ends = torch.tensor([0.0, 1 - 2**-24])
    for size in (3, 7, 1000):
        logits = torch.full((2, size), -torch.inf)
        logits[:, 1 : size - 1] = torch.linspace(0, 1, size - 2)
        tokens, logps = choose(logits, ends, 1.0, top_p)
        assert tokens[1] == size - 2 and torch.isfinite(logps).all()
        assert tokens[0] == 1 or top_p < 1


def test_uniforms_belong_to_key_and_sample() -> None:
    a, b = Prompt("a", (1,)), Prompt("b", (1, 2))
    together = draw_uniforms([a, b], Sampling(3, 5, seed=4))
    assert together.shape == (5, 6) and len(together.unique()) == 30
    assert together.min() >= 0 and together.max() < 1
    assert torch.equal(draw_uniforms([b], Sampling(1, 5, seed=4, first=2))[:, 0], together[:, 5])
    assert not torch.equal(draw_uniforms([b], Sampling(1, 5, seed=5, first=2))[:, 0], together[:, 5])
