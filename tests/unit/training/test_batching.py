"""Sequences into micro-batches: nothing lost, nothing twice, the budget kept."""

from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.training.batching import TokenSequence, group_by_length, micro_batches, pad

TOKENS = st.lists(st.integers(1, 99), min_size=1, max_size=12).map(tuple)


def test_pad_by_hand() -> None:
    batch = pad(
        [TokenSequence((1, 2), (3,), 0.5, (-0.25,)), TokenSequence((4,), (5, 6, 7), -1.0)],
        pad_id=9,
        device="cpu",
    )
    assert batch.input_ids.tolist() == [[1, 2, 3, 9], [4, 5, 6, 7]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert batch.response_mask.tolist() == [[False, False, True, False], [False, True, True, True]]
    assert batch.weights.tolist() == [0.5, -1.0]
    assert batch.engine_logps.tolist() == [[0, 0, -0.25, 0], [0, 0, 0, 0]]


def test_groups_by_hand() -> None:
    # sorted lengths 1 1 2 5 5 9 with 8 padded tokens: 1 1 2 (3 x 2), 5, 5, and 9 alone though it is over
    assert group_by_length([5, 1, 9, 2, 1, 5], 8) == [[1, 4, 3], [0], [5], [2]]


@given(st.lists(st.integers(1, 60), max_size=60), st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_every_index_once_and_within_the_budget(lengths: list[int], budget: int) -> None:
    groups = group_by_length(lengths, budget)
    assert sorted(i for g in groups for i in g) == list(range(len(lengths)))
    for group in groups:
        padded = len(group) * max(lengths[i] for i in group)
        assert padded <= budget or len(group) == 1


@given(st.lists(st.tuples(TOKENS, TOKENS, st.floats(-2, 2, width=32)), max_size=20), st.integers(1, 80))
@settings(max_examples=60, deadline=None)
def test_sequences_come_back_out_of_the_batches(rows: list[tuple[tuple[int, ...], ...]], budget: int) -> None:
    sequences = [TokenSequence(p, r, w, tuple(-float(t) for t in r)) for p, r, w in rows]  # type: ignore[arg-type]
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
