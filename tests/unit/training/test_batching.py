"""Sequences into micro-batches: nothing lost, nothing twice, the budget kept."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.training.batching import (
    Batch,
    TokenSequence,
    group_by_length,
    micro_batches,
    pack_row,
    packed_batches,
    pad,
    padding_share,
    share_out,
)
from vibethinker.training.documents import Document

TOKENS = st.lists(st.integers(1, 99), min_size=1, max_size=12).map(tuple)


LENGTHS = st.lists(st.integers(1, 60) | st.integers(1, 40_000), min_size=1, max_size=60)


def of(*lengths: int) -> list[TokenSequence]:
    return [TokenSequence((1,), (2,) * (n - 1)) for n in lengths]


def padding(lengths: list[int], groups: list[list[int]]) -> float:
    padded = sum(len(g) * max(lengths[i] for i in g) for g in groups)
    return (padded - sum(lengths)) / padded


def test_pad_by_hand() -> None:
    batch = pad(
        [
            TokenSequence((1, 2), (3,), 0.5, (-0.25,)),
            TokenSequence((4,), (5, 6, 7), -1.0),
        ],
        pad_id=9,
        device="cpu",
    )
    assert batch.input_ids.tolist() == [[1, 2, 3, 9], [4, 5, 6, 7]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert batch.response_mask.tolist() == [[False, False, True, False], [False, True, True, True]]
    assert batch.weights.tolist() == [0.5, -1.0]
    assert batch.engine_logps.tolist() == [[0, 0, -0.25, 0], [0, 0, 0, 0]]
    assert batch.engine_logps.dtype == batch.old_logps.dtype == batch.weights.dtype == torch.float32


def test_groups_by_hand() -> None:
    lengths = [100, 50, 98, 49, 3, 2]
    # all in one: 600 padded tokens for 302. Two padding tokens a group: 100 98 | 50 49 | 3 2, 306 for 302
    # (1.3%); 48 or more: 100 98 | 50 49 3, 200 + 150 = 350 for 300 (13.7%) is too much, so 3 and 2 are apart.
    assert group_by_length(lengths, 1000) == [[0, 2], [1, 3], [4, 5]]
    # a budget of 99: nothing fits beside 100 or 98, 50 and 49 need 100
    assert group_by_length(lengths, 99) == [[0], [2], [1], [3], [4, 5]]


def test_a_longer_sequence_than_the_budget_is_alone() -> None:
    assert group_by_length([5, 5, 90, 5, 90], 10) == [[2], [4], [0, 1], [3]]


def test_equal_lengths_fill_the_budget() -> None:
    assert [len(g) for g in group_by_length([7] * 10, 21)] == [3, 3, 3, 1]


def test_short_ones_may_be_padded_more_than_a_tenth() -> None:
    """The bound is on the whole: 20 tokens among 1,000 may be doubled for one group fewer."""
    lengths = [100] * 10 + [10, 10, 5]
    assert group_by_length(lengths, 10_000) == [list(range(10)), [10, 11, 12]]


def test_as_few_groups_as_any_within_the_bound() -> None:
    """Against every way to cut the sorted lengths: at most one group more than the fewest."""
    lengths = [40, 37, 30, 29, 21, 20, 20, 13, 12, 5, 4, 3, 1]
    best = len(lengths)
    for cuts in itertools.product([False, True], repeat=len(lengths) - 1):
        groups = [[0]]
        for i, cut in enumerate(cuts, 1):
            if cut:
                groups.append([i])
            else:
                groups[-1].append(i)
        if padding(lengths, groups) < 0.1:
            best = min(best, len(groups))
    assert best <= len(group_by_length(lengths, 10_000)) <= best + 1


@given(LENGTHS, st.integers(1, 40_000))
@settings(max_examples=200, deadline=None)
def test_every_index_once_within_the_budget_and_little_padding(lengths: list[int], budget: int) -> None:
    groups = group_by_length(lengths, budget)
    assert sorted(i for g in groups for i in g) == list(range(len(lengths)))
    assert padding(lengths, groups) < 0.1
    longest = [max(lengths[i] for i in g) for g in groups]
    assert longest == sorted(longest, reverse=True)
    for group, length in zip(groups, longest, strict=True):
        assert len(group) * length <= budget or len(group) == 1
        assert lengths[group[0]] == length


@given(LENGTHS)
@settings(max_examples=50, deadline=None)
def test_a_larger_budget_never_makes_more_groups(lengths: list[int]) -> None:
    counts = [len(group_by_length(lengths, 1_000_000)), len(group_by_length(lengths, 1))]
    assert counts[0] <= counts[1] == len(lengths)


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 60))
@settings(max_examples=50, deadline=None)
def test_padding_share_is_what_the_batches_hold(lengths: list[int], budget: int) -> None:
    batches = micro_batches(of(*lengths), budget, 0, "cpu")
    assert padding_share(batches) < 0.1
    groups = group_by_length(lengths, budget)
    assert padding_share(batches) == (padding(lengths, groups) if lengths else 0.0)


def test_padding_share_by_hand() -> None:
    assert padding_share([pad(of(3, 1), 0, "cpu"), pad(of(4), 0, "cpu")]) == pytest.approx(2 / 10)
    assert padding_share([]) == 0.0


def batches_of(*sizes: int) -> list[Batch]:
    return [pad(of(n), 0, "cpu") for n in sizes]


def test_share_out_by_hand() -> None:
    # 9 -> first, 7 -> second, 6 -> second (7 < 9), 5 -> first (9 < 13), 2 -> second (13 < 14)
    assert share_out(batches_of(9, 7, 6, 5, 2), 2) == [[0, 3], [1, 2, 4]]
    assert share_out(batches_of(2, 9), 1) == [[0, 1]]
    assert share_out(batches_of(3), 3) == [[0], [], []]
    assert share_out([], 2) == [[], []]


@given(st.lists(st.integers(1, 50), max_size=20), st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_shares_are_whole_and_even(sizes: list[int], processes: int) -> None:
    shares = share_out(batches_of(*sizes), processes)
    assert len(shares) == processes
    assert sorted(i for s in shares for i in s) == list(range(len(sizes)))
    assert all(s == sorted(s) for s in shares)
    loads = [sum(sizes[i] for i in s) for s in shares]
    assert max(loads) - min(loads) <= max(sizes, default=0)


@given(st.lists(st.tuples(TOKENS, TOKENS, st.floats(-2, 2, width=32)), max_size=20), st.integers(1, 80))
@settings(max_examples=60, deadline=None)
def test_sequences_come_back_out_of_the_batches(rows: list[tuple[tuple[int, ...], ...]], budget: int) -> None:
    sequences = [
        TokenSequence(p, r, w, tuple(-float(t) for t in r))  # type: ignore
        for p, r, w in rows
    ]
    found = []
    for batch in micro_batches(sequences, budget, 0, "cpu"):
        assert batch.input_ids.numel() <= budget or len(batch.input_ids) == 1
        for i, weight in enumerate(batch.weights.tolist()):
            whole = batch.attention_mask[i].bool()
            response = batch.response_mask[i]
            assert not (response & ~whole).any()
            found.append(
                TokenSequence(
                    tuple(batch.input_ids[i][whole & ~response].tolist()),
                    tuple(batch.input_ids[i][response].tolist()),
                    weight,
                    tuple(batch.engine_logps[i][response].tolist()),
                )
            )
    assert sorted(map(repr, found)) == sorted(map(repr, sequences))


def test_a_packed_row_by_hand() -> None:
    row = pack_row([Document((1, 2, 3), (False, True, False)), Document((4, 5), (False, True))], "cpu")
    assert row.input_ids.tolist() == [[1, 2, 3, 4, 5]]
    assert row.attention_mask.tolist() == [[1, 1, 1, 1, 1]]
    assert row.response_mask.tolist() == [[False, True, False, False, True]]
    assert row.documents.tolist() == [3, 2]
    assert row.weights.tolist() == [1]
    assert row.engine_logps.tolist() == row.old_logps.tolist() == [[0] * 5]
    assert padding_share([row]) == 0


def test_padded_rows_have_no_documents() -> None:
    assert pad(of(3, 1), 0, "cpu").documents.tolist() == []


@given(st.lists(st.lists(st.integers(1, 99), min_size=2, max_size=20), max_size=20), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_documents_come_back_out_of_packed_rows(ids: list[list[int]], budget: int) -> None:
    documents = [Document(tuple(row), (False, *(t % 2 == 0 for t in row[1:]))) for row in ids]
    found = []
    for batch in packed_batches(documents, budget, "cpu"):
        assert batch.input_ids.numel() <= budget or len(batch.documents) == 1
        lengths = batch.documents.tolist()
        parts = zip(batch.input_ids[0].split(lengths), batch.response_mask[0].split(lengths), strict=True)
        found += [Document(tuple(i.tolist()), tuple(m.tolist())) for i, m in parts]
    assert sorted(map(repr, found)) == sorted(map(repr, documents))
