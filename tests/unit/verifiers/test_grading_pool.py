"""Graders in processes of their own: the same verdicts, and nothing that a response does holds them up."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from vibethinker.records import Problem, Verdict
from vibethinker.verifiers import grading_pool
from vibethinker.verifiers.grader import Grader, GraderSettings
from vibethinker.verifiers.grading_pool import GradingPool, time_limit

HANG, CRASH, BREAK = "hang \\boxed{1}", "crash \\boxed{1}", "break \\boxed{1}"


def problem(answer: str) -> Problem:
    return Problem(id=f"t/{answer}", domain="algebra", question="?", verifier="maths", answer=answer, source="t")


CHOICE = Problem(id="t/c", domain="stem", question="A or B?", verifier="choice", answer="B", source="t")


class Hostile(Grader):
    """The real grader, but for three responses that it would have to survive if it had such a fault."""

    def grade(self, items: Any, on_progress: Any = None) -> list[Verdict]:
        (_, response) = items[0]
        if response == HANG:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            time.sleep(1000)
        if response == CRASH:
            os.kill(os.getpid(), signal.SIGSEGV)
        if response == BREAK:
            raise RuntimeError("a fault of ours")
        return super().grade(items, on_progress)


def hostile_work(connection: Any, settings: GraderSettings) -> None:
    grading_pool.Grader = Hostile  # type: ignore[misc]  # in the worker's own process
    grading_pool._work(connection, settings)


def never_starts(connection: Any, settings: GraderSettings) -> None:
    raise SystemExit(1)


@pytest.fixture(scope="module")
def pool() -> Iterator[GradingPool]:
    with GradingPool(GraderSettings(), workers=2) as pool:
        yield pool


def test_verdicts_are_the_graders_in_order(pool: GradingPool) -> None:
    items = [(problem(str(i % 7)), f"so \\boxed{{{i % 5}}}") for i in range(100)] + [
        (problem("\\frac{1}{2}"), "\\boxed{0.5}"),
        (problem("x^2-1"), "\\boxed{(x-1)(x+1)}"),
        (problem("1"), "no answer at all"),
        (CHOICE, "so \\boxed{B}"),
    ]
    assert [pool.submit(*item) for item in items] == list(range(104))
    while len(pool._verdicts) < 104:  # looks in while it would generate
        pool.poll()
        time.sleep(0.001)
    found = pool.finish()
    with Grader() as grader:
        assert found == grader.grade(items)
    assert found[3].status == found[103].status == "correct" and found[5].status == "incorrect"


def test_it_can_be_used_again_and_for_nothing(pool: GradingPool) -> None:
    assert pool.finish() == []
    assert pool.submit(problem("2"), "\\boxed{2}") == 0
    assert [v.status for v in pool.finish()] == ["correct"]


def test_what_hangs_or_crashes_a_grader_is_incorrect_and_its_neighbours_are_graded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grading_pool, "_work", hostile_work)
    with GradingPool(GraderSettings(), workers=1, seconds=1.0) as pool:
        for response in ["\\boxed{1}", HANG, "\\boxed{1}", CRASH, "\\boxed{2}", "\\boxed{1}"]:
            pool.submit(problem("1"), response)
        verdicts = pool.finish()
    assert [v.status for v in verdicts] == ["correct", "incorrect", "correct", "incorrect", "incorrect", "correct"]
    assert "longer than 1 s" in verdicts[1].reason
    assert "crashed" in verdicts[3].reason
    assert not any(worker.process.is_alive() for worker in pool._workers)


def test_a_fault_of_our_own_is_unknown_after_a_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading_pool, "_work", hostile_work)
    with GradingPool(GraderSettings(), workers=1) as pool:
        for response in ["\\boxed{1}", BREAK]:
            pool.submit(problem("1"), response)
        verdicts = pool.finish()
    assert [v.status for v in verdicts] == ["correct", "unknown"]
    assert "a fault of ours" in verdicts[1].reason


def test_where_no_grader_starts_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading_pool, "_work", never_starts)
    with GradingPool(GraderSettings(), workers=1) as pool:
        pool.submit(problem("1"), "\\boxed{1}")
        (verdict,) = pool.finish()
    assert verdict.status == "unknown"


def test_a_killed_worker_is_replaced(pool: GradingPool) -> None:
    pool.submit(problem("1"), "\\boxed{1}")
    pool.finish()
    for worker in pool._workers:
        worker.process.kill()
    for _ in range(40):
        pool.submit(problem("1"), "\\boxed{1}")
    assert {v.status for v in pool.finish()} == {"correct"}


def test_the_limit_lies_beyond_the_graders_own() -> None:
    settings = GraderSettings()
    assert time_limit(settings) > max(3 * settings.code.program_wall_seconds, 12 * settings.maths_seconds)
