"""Ranks inside buckets of one domain and like length, by hand and as properties."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.algorithms.learning_potential import Bucket, Scored, learning_potential

TRACES = st.lists(
    st.builds(Scored, st.sampled_from("ab"), st.integers(1, 40), st.floats(0, 5, allow_nan=False)), max_size=40
)


def test_the_middle_to_high_ranks_of_one_bucket() -> None:
    """Five ranks stand at 0.1, 0.3, 0.5, 0.7, 0.9."""
    traces = [Scored("a", 20, score) for score in (0.3, 0.9, 0.1, 0.5, 0.7)]
    (bucket,) = learning_potential(traces, 1, (0.4, 0.9), 0)
    assert bucket == Bucket("a", (2, 0, 3, 4, 1), (3, 4))
    assert learning_potential(traces, 1, (0.5, 0.91), 0)[0].kept == (3, 4, 1)


def test_lengths_are_parted_at_their_quantiles() -> None:
    """Sorted lengths 2 4 6 8: the border of two buckets is the third, 6."""
    traces = [Scored("a", tokens, score) for tokens, score in ((8, 0.1), (2, 0.9), (6, 0.2), (4, 0.8))]
    buckets = learning_potential(traces, 2, (0.5, 1.0), 0)
    assert buckets == [Bucket("a", (3, 1), (1,)), Bucket("a", (0, 2), (2,))]


def test_a_long_trace_is_not_compared_with_short_ones() -> None:
    short, long = [Scored("a", 5, 2.0 + i) for i in range(4)], [Scored("a", 50, 0.1 * i) for i in range(4)]
    kept = {i for b in learning_potential(short + long, 2, (0.5, 1.0), 0) for i in b.kept}
    assert kept == {2, 3, 6, 7}


def test_equal_lengths_share_a_bucket_and_domains_never_do() -> None:
    traces = [Scored("a", 5, 0.1), Scored("b", 5, 0.2), Scored("a", 5, 0.3)]
    assert [(b.domain, b.members) for b in learning_potential(traces, 4, (0.0, 1.0), 0)] == [("a", (0, 2)), ("b", (1,))]


def test_short_traces_go_before_anything_is_ranked() -> None:
    traces = [Scored("a", 3, 0.9), Scored("a", 4, 0.1), Scored("a", 5, 0.2)]
    assert learning_potential(traces, 1, (0.5, 1.0), 4) == [Bucket("a", (1, 2), (2,))]
    assert learning_potential(traces, 1, (0.5, 1.0), 6) == []


def test_equal_scores_keep_their_order() -> None:
    traces = [Scored("a", 5, 1.0)] * 4
    assert learning_potential(traces, 1, (0.0, 0.5), 0)[0].kept == (0, 1)


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match=r"trace 1 is (nan|inf)"):
        learning_potential([Scored("a", 5, 0.1), Scored("a", 5, score)], 1, (0.0, 1.0), 0)


@settings(max_examples=100, deadline=None)
@given(traces=TRACES, buckets=st.integers(1, 6), min_tokens=st.integers(0, 20))
def test_all_long_enough_traces_are_in_one_bucket_each(traces: list[Scored], buckets: int, min_tokens: int) -> None:
    found = learning_potential(traces, buckets, (0.0, 1.0), min_tokens)
    assert sorted(i for b in found for i in b.members) == [i for i, t in enumerate(traces) if t.tokens >= min_tokens]
    for b in found:
        assert {traces[i].domain for i in b.members} == {b.domain}
        assert [traces[i].score for i in b.members] == sorted(traces[i].score for i in b.members)
        assert b.kept == b.members
    for domain in "ab":
        spans = [[traces[i].tokens for i in b.members] for b in found if b.domain == domain]
        assert len(spans) <= buckets
        assert all(max(a) < min(b) for a, b in pairwise(spans))


@settings(max_examples=100, deadline=None)
@given(traces=TRACES, cut=st.floats(0.05, 0.95))
def test_two_bands_that_meet_part_the_traces(traces: list[Scored], cut: float) -> None:
    below, above = (learning_potential(traces, 3, band, 0) for band in ((0.0, cut), (cut, 1.0)))
    for low, high in zip(below, above, strict=True):
        assert low.kept + high.kept == low.members
