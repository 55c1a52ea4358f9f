"""Distinct solution paths, by hand and by what must hold for any responses."""

import random
import time
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibethinker.algorithms.distinct_paths import (
    ALIKE,
    expected_paths,
    group_paths,
    program_features,
    prose_features,
)

ISOLATE = "12-4=8\n8/2=4\n\\boxed{4}"
TRY = "2*4=8\n8+4=12\n\\boxed{4}"
SHORT = "8/2=4\n\\boxed{4}"
BARE = "\\boxed{4}"


def paths(*responses: str) -> list[int]:
    return group_paths([prose_features(r) for r in responses])


def programs(*texts: str) -> list[int]:
    return group_paths([program_features(t) for t in texts])


def test_what_is_calculated_makes_a_path() -> None:
    assert len(set(paths(ISOLATE, TRY, SHORT, BARE))) == 4


@pytest.mark.parametrize(
    "other",
    [
        "12 - 4 = 8, and so 8 / 2 = 4. It is \\boxed{4}",
        "$12-4=8$\n\n$\\frac{8}{2} = 4$\n$$\\boxed{ 4 }$$",
        "12-4=8\n8/2=4\nTHE ANSWER: \\boxed{\\text{four, \\frac{8}{2}}}.",
        "12-4=8\n8/2=4",
    ],
)
def test_layout_short_words_and_the_box_make_none(other: str) -> None:
    assert paths(ISOLATE, other) == [0, 0]


def test_features_by_hand() -> None:
    assert prose_features("Then 1,200 + x = 15, so \\sqrt{2} is 2.5") == {
        *("then", "1200", "15", "\\sqrt", "2", "2.5"),
        *("1200 +", "+ x", "x =", "= 15", "\\sqrt 2"),
    }
    assert prose_features("7 \\boxed{\\frac{1}{2}} 8") == {"7", "8", "7 8"}
    assert prose_features("7 \\boxed{cut") == {"7"}
    assert program_features("x = 1") == {"name = 1"}


def test_an_authors_names_and_comments_make_no_path() -> None:
    one = 'def f(n):\n    """Adds."""\n    total = n + 2  # first\n    return total * 3'
    two = "def f(value):\n\n  s = value+2\n  return s*3"
    direct = "def f(n): return 3 * n + 6"
    called = "def f(n): return sum([n, n, n], 6)"
    found = programs(one, two, direct, called)
    assert found[0] == found[1] and len(set(found)) == 3


def test_the_bound_by_hand() -> None:
    """Three of five shared are alike, two of four are not."""
    assert ALIKE == 0.6
    assert group_paths([frozenset("abcd"), frozenset("abce")]) == [0, 0]
    assert len(set(group_paths([frozenset("abc"), frozenset("abd")]))) == 2
    assert group_paths([frozenset(), frozenset()]) == [0, 0] and group_paths([]) == []
    assert len(set(group_paths([frozenset(), frozenset("a")]))) == 2


def test_of_paths_no_two_first_ones_are_alike() -> None:
    """a ~ b ~ c, but not a ~ c: the fullest, b, takes both; a and c alone are two."""
    a, b, c = frozenset("1234"), frozenset("123456"), frozenset("3456")
    assert group_paths([a, b, c]) == [0, 0, 0]
    assert len(set(group_paths([a, c]))) == 2


TEXTS = st.lists(st.sampled_from("3+4=7|7/2|x^2=9|x=3|9-2|so|because|hence|12|\\sqrt{2}".split("|")), max_size=8).map(
    " ".join
)


@given(st.lists(TEXTS, min_size=1, max_size=8), st.randoms())
def test_what_holds_for_any_responses(responses: list[str], chance: random.Random) -> None:
    solutions = [prose_features(r) for r in responses]
    found = group_paths(solutions)
    count = len(set(found))
    assert 1 <= count <= len(responses) and set(found) == set(range(count))
    assert all(found[i] == found[j] for i, j in combinations(range(len(found)), 2) if solutions[i] == solutions[j])
    order = list(range(len(responses)))
    chance.shuffle(order)
    assert group_paths([solutions[i] for i in order]) == [found[i] for i in order]
    assert len(set(group_paths(solutions + solutions))) == count


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 6))
def test_rarefaction_is_the_mean_over_all_draws(sizes: list[int], m: int) -> None:
    responses = [path for path, size in enumerate(sizes) for _ in range(size)]
    if m > len(responses):
        with pytest.raises(ValueError, match="at least k samples"):
            expected_paths(sizes, m)
        return
    draws = [len(set(draw)) for draw in combinations(responses, m)]
    assert expected_paths(sizes, m) == pytest.approx(sum(draws) / len(draws))


def test_more_correct_responses_alone_show_no_more_paths() -> None:
    """Two paths, half and half: 2 of 2 differ in 2/3 of the draws from two each, and about half from 32 each."""
    assert expected_paths([2, 2], 2) == pytest.approx(1 + 2 / 3)
    assert expected_paths([32, 32], 2) == pytest.approx(1 + 32 / 63)
    assert expected_paths([5], 3) == 1.0
    assert expected_paths([1, 1, 1], 3) == 3.0


def test_a_response_made_to_hurt_is_read_in_no_time() -> None:
    started = time.process_time()
    for hurt in ("\\boxed{", "'", '"""', "{", "}", "1,", "\\", ".", " "):
        text = hurt * (60_001 // len(hurt))
        prose_features(text)
        program_features(text)
    assert time.process_time() - started < 30  # about 0.3 s; hours, if anything looked back at each character
