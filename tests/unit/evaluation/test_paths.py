"""Distinct correct paths of graded samples, by hand."""

import pytest

from vibethinker.evaluation.paths import mean_paths, path_figures, path_sizes
from vibethinker.records import Problem, Sample, VerdictStatus

A, B = "12-4=8, 8/2=4", "2*4=8, 8+4=12"
ONE, TWO = "def f(n):\n    return n * 3 + 6", "def f(n):\n    return sum([n, 2]) * 3"


def problem(domain: str, key: str) -> Problem:
    verifier = {"verifier": "code", "tests": ("assert f(1) == 9",)} if domain == "code" else {"verifier": "maths"}
    return Problem.model_validate(
        {"id": key, "domain": domain, "question": "q", "source": "t", "answer": "4", **verifier}
    )


def sample(domain: str, key: str, index: int, text: str, status: VerdictStatus = "correct") -> Sample:
    said = f"I think, this time for {'a long' if index else 'a short'} while:\n{text}" if domain == "code" else text
    extracted = text if domain == "code" else "4"
    return Sample(
        problem_id=key,
        domain=domain,
        sample=index,
        response=said,
        tokens=1,
        finish_reason="stop",
        status=status,
        extracted=extracted,
    )


SAMPLES = [
    *[sample("algebra", "a/1", i, text) for i, text in enumerate([A, B, A, A])],
    *[sample("algebra", "a/2", i, A, "incorrect") for i in range(2)],
    *[sample("algebra", "a/3", i, text) for i, text in enumerate([A, A, B])],
    sample("algebra", "a/3", 3, "7+7=14, 14-10=4", "unknown"),
    *[sample("code", "c/1", i, text) for i, text in enumerate([ONE, TWO.replace("n", "m"), TWO])],
]
PROBLEMS = {s.problem_id: problem(s.domain, s.problem_id) for s in SAMPLES}


def test_only_correct_responses_have_paths() -> None:
    sizes = path_sizes(SAMPLES, PROBLEMS)
    assert sizes == {"algebra": {"a/1": [3, 1], "a/2": [], "a/3": [2, 1]}, "code": {"c/1": [2, 1]}}
    assert mean_paths(sizes["algebra"]) == pytest.approx(4 / 3)


def test_figures_by_hand() -> None:
    found = path_figures(path_sizes(SAMPLES, PROBLEMS))
    assert list(found) == ["algebra", "code", "overall"]
    # two of [3, 1] differ in half of the draws, two of [2, 1] in two thirds; four of [3, 1] are all of them
    assert found["algebra"]["distinct_paths"] == pytest.approx(4 / 3)
    assert found["algebra"]["paths_among"] == pytest.approx({"2": (1.5 + 5 / 3) / 2, "4": 2.0})
    assert found["code"] == {"distinct_paths": 2.0, "paths_among": pytest.approx({"2": 5 / 3})}
    assert found["overall"]["distinct_paths"] == pytest.approx(5 / 3)
    assert found["overall"]["paths_among"] == pytest.approx({"2": ((1.5 + 5 / 3) / 2 + 5 / 3) / 2})


def test_a_model_that_is_never_right_has_none() -> None:
    wrong = [sample("algebra", "a/1", i, A, "incorrect") for i in range(2)]
    found = path_figures(path_sizes(wrong, PROBLEMS))
    assert found["algebra"] == found["overall"] == {"distinct_paths": 0.0, "paths_among": {}}
