"""Sampling and grading together: a real tiny model, engine and grader."""

from collections.abc import Iterator

import pytest

from vibethinker.config.model import ScratchSettings
from vibethinker.config.training import SamplingSettings
from vibethinker.evaluation.runner import evaluate
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.records import Problem, Sample
from vibethinker.rollout.transformers_engine import TransformersEngine
from vibethinker.verifiers.grader import Grader

SCRATCH = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=64)
PROBLEMS = [
    Problem(id=f"t/{i}", domain="algebra", question="Solve." * (1 + i), verifier="maths", answer=str(i), source="t")
    for i in range(5)
]


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader() as grader:
        yield grader


def sampled(grader: Grader, problems: list[Problem], calls: list[tuple[str, int, int]]) -> list[Sample]:
    tokenizer = tiny_tokenizer()
    model = tiny_model(SCRATCH, tokenizer, 1).eval()
    engine = TransformersEngine(model, [tokenizer.eos_token_id], tokenizer.pad_token_id)
    sampling = {
        "maths": SamplingSettings(samples=3, max_response_tokens=6),
        "code": SamplingSettings(samples=1, max_response_tokens=6),
    }
    return evaluate(
        engine,
        tokenizer,
        grader,
        problems,
        {},
        "",
        sampling,
        4,
        lambda name, done, all_: calls.append((name, done, all_)),
    )


def test_every_problem_gets_its_samples_in_order(grader: Grader) -> None:
    calls: list[tuple[str, int, int]] = []
    found = sampled(grader, PROBLEMS, calls)
    assert [(s.problem_id, s.sample) for s in found] == [(f"t/{i}", j) for i in range(5) for j in range(3)]
    assert {s.domain for s in found} == {"algebra"}
    assert all(1 <= s.tokens <= 6 for s in found)
    assert calls[-1] == ("maths", 5, 5)


def test_samples_do_not_depend_on_the_other_problems(grader: Grader) -> None:
    whole = sampled(grader, PROBLEMS, [])
    assert sampled(grader, PROBLEMS[3:4], []) == whole[9:12]
    assert sorted(map(str, sampled(grader, PROBLEMS[::-1], []))) == sorted(map(str, whole))


def test_nothing_to_do(grader: Grader) -> None:
    assert sampled(grader, [], []) == []
