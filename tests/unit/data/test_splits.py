"""Disjoint, deterministic, stable sets per domain."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.config.data import SplitSettings
from vibethinker.data.splits import left_out, split, unlabelled
from vibethinker.errors import DataError
from vibethinker.records import Problem

SIZES = SplitSettings(pretrain=4, probe=3, rl=5, promotion=2)


def problems(domain: str, count: int, traced: int | None = None, source: str = "hand") -> list[Problem]:
    """`traced`: how many have a trace; all of them if not given."""
    traced = count if traced is None else traced
    return [
        Problem(
            id=f"{source}/{domain}-{i}",
            domain=domain,
            question=f"{domain} question {i}",
            verifier="maths",
            answer=str(i),
            traces=(f"\\boxed{{{i}}}",) if i < traced else (),
            source=source,
        )
        for i in range(count)
    ]


def ids(rows: list[Problem]) -> list[str]:
    return [row.id for row in rows]


@settings(max_examples=50, deadline=None)
@given(count=st.integers(15, 40), seed=st.integers(0, 99), shuffle=st.randoms(use_true_random=False))
def test_disjoint_complete_and_free_of_input_order(count, seed, shuffle):
    rows = problems("algebra", count) + problems("geometry", 20)
    sets = split(rows, SIZES, ["algebra", "geometry"], seed)
    used = [name for part in sets.values() for name in ids(part)]
    assert sorted(used) == sorted(ids(rows))
    for name, size in (("pretrain", 4), ("probe", 3), ("rl", 5), ("promotion", 2), ("sft", count - 14)):
        assert sum(row.domain == "algebra" for row in sets[name]) == size
    shuffle.shuffle(rows)
    assert split(rows, SIZES, ["algebra", "geometry"], seed) == sets


def test_another_seed_divides_otherwise():
    rows = problems("algebra", 40)
    assert split(rows, SIZES, ["algebra"], 0) != split(rows, SIZES, ["algebra"], 1)


def test_one_more_row_moves_at_most_one_row_across_each_border():
    rows = problems("algebra", 100)
    before = split(rows[:-1], SIZES, ["algebra"], 0)
    after = split(rows, SIZES, ["algebra"], 0)
    for name in ("promotion", "probe", "rl", "pretrain"):
        assert len(set(ids(before[name])) - set(ids(after[name]))) <= 1


def test_rows_without_traces_serve_only_where_none_is_needed():
    rows = problems("algebra", 60, traced=30)
    sets = split(rows, SIZES, ["algebra"], 0)
    assert all(row.traces for name in ("sft", "pretrain") for row in sets[name])
    assert any(not row.traces for name in ("probe", "rl", "promotion") for row in sets[name])
    outside = left_out(rows, sets)
    assert outside == {"algebra": 60 - sum(map(len, sets.values()))}
    assert outside["algebra"] > 0


def test_a_question_of_two_sources_is_used_once():
    rows = problems("algebra", 30) + problems("algebra", 30, source="other")
    sets = split(rows, SIZES, ["algebra"], 0)
    questions = [row.question for part in sets.values() for row in part]
    assert sorted(questions) == sorted({row.question for row in rows})
    assert left_out(rows, sets) == {"algebra": 30}


def talks(count: int) -> list[Problem]:
    """Each asks the plain row's question under a system prompt, or answers it before the question of its own."""
    found = []
    for i, row in enumerate(problems("algebra", count, source="talk")):
        said = (("user", row.question), ("assistant", f"\\boxed{{{i}}}")) if i % 2 else ()
        question = f"Why is it {i}?" if said else row.question
        found.append(row.model_copy(update={"question": question, "turns": (("system", f"Be {i}."), *said)}))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_question_inside_a_conversation_is_in_no_other_set(seed):
    sets = split(problems("algebra", 30) + talks(30), SIZES, ["algebra"], seed)
    numbers = [row.id.split("-")[1] for part in sets.values() for row in part]
    assert sorted(numbers) == sorted(map(str, range(30)))


def test_the_same_words_after_another_answer_are_another_question():
    rows = problems("algebra", 30)
    again = [
        row.model_copy(update={"question": "Why?", "turns": (("user", f"{row.question}, please"), ("assistant", "1"))})
        for row in problems("algebra", 30, source="talk")
    ]
    assert left_out(rows + again, split(rows + again, SIZES, ["algebra"], 0)) == {"algebra": 0}


def test_other_domains_stay_out():
    rows = problems("algebra", 20) + problems("geometry", 20)
    sets = split(rows, SIZES, ["geometry"], 0)
    assert {row.domain for part in sets.values() for row in part} == {"geometry"}
    assert left_out(rows, sets) == {"algebra": 20, "geometry": 0}


@pytest.mark.parametrize(("count", "traced"), [(14, 14), (0, 0), (200, 1)])
def test_too_few_rows_names_domain_and_numbers(count, traced):
    rows = problems("geometry", 30) + problems("algebra", count, traced=traced)
    with pytest.raises(DataError) as error:
        split(rows, SIZES, ["geometry", "algebra"], 0)
    for part in ("'algebra'", f"has {count} distinct", f"{traced} of them", "needs 10", "those 5 with a trace"):
        assert part in str(error.value)


def test_smallest_enough_has_one_sft_row():
    assert len(split(problems("algebra", 15), SIZES, ["algebra"], 0)["sft"]) == 1


def without_gold(rows: list[Problem]) -> list[Problem]:
    return [row.model_copy(update={"id": f"{row.id}-open", "answer": "", "traces": ()}) for row in rows]


def test_rows_without_a_gold_answer_are_only_taught():
    rows, extra = problems("algebra", 30), without_gold(problems("algebra", 50)[30:])
    assert split(rows + extra, SIZES, ["algebra"], 0) == split(rows, SIZES, ["algebra"], 0)
    assert left_out(rows + extra, split(rows + extra, SIZES, ["algebra"], 0)) == {"algebra": 20}
    taught = split(rows + extra, SIZES, ["algebra"], 0, taught=True)
    assert all(not unlabelled(row) for name in ("pretrain", "probe", "rl", "promotion") for row in taught[name])
    assert sum(map(unlabelled, taught["sft"])) == 20


def test_a_choice_without_its_letter_is_unlabelled_and_a_program_never_is():
    (row,) = problems("algebra", 1)
    assert unlabelled(row.model_copy(update={"verifier": "choice", "answer": " "}))
    assert not unlabelled(row.model_copy(update={"verifier": "code", "answer": ""}))
    assert not unlabelled(row)


def test_teachers_may_write_what_no_source_brings():
    rows = problems("algebra", 60, traced=30)
    plain, taught = (split(rows, SIZES, ["algebra"], 0, taught=t) for t in (False, True))
    for name in ("pretrain", "probe", "rl", "promotion"):
        assert taught[name] == plain[name]
    assert set(ids(plain["sft"])) < set(ids(taught["sft"]))
    assert left_out(rows, taught) == {"algebra": 0}
    assert len(split(problems("algebra", 15, traced=14), SIZES, ["algebra"], 3, taught=True)["sft"]) == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_question_with_and_without_its_answer_keeps_the_answer(seed):
    rows = problems("algebra", 30)
    both = rows + without_gold(rows)
    sets = split(both, SIZES, ["algebra"], seed, taught=True)
    assert not any(unlabelled(row) for part in sets.values() for row in part)
    assert left_out(both, sets) == {"algebra": 30}


def test_problems_without_gold_answers_do_not_fill_the_sets_that_are_graded():
    rows = problems("algebra", 9) + without_gold(problems("algebra", 40)[9:])
    with pytest.raises(DataError, match="has 9 distinct clean training problems"):
        split(rows, SIZES, ["algebra"], 0, taught=True)


def test_repeated_ids_are_refused():
    with pytest.raises(DataError, match="1 of 21 are repeated"):
        split(problems("algebra", 20) + problems("algebra", 1), SIZES, ["algebra"], 0)
