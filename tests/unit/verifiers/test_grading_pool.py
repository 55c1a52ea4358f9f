"""Graders in processes of their own: the same verdicts, and nothing that a response does holds them up."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from vibethinker.records import Problem, Verdict
from vibethinker.verifiers import grading_pool
from vibethinker.verifiers.grader import Grader, GraderSettings
from vibethinker.verifiers.grading_pool import GradingPool, time_limit

HANG, CRASH, BREAK, ONCE = (f"{what} \\boxed{{1}}" for what in ("hang", "crash", "break", "break once"))


def problem(answer: str) -> Problem:
    return Problem(id=f"t/{answer}", domain="algebra", question="?", verifier="maths", answer=answer, source="t")


CHOICE = Problem(id="t/c", domain="stem", question="A or B?", verifier="choice", answer="B", source="t")


class Hostile(Grader):
    """The real grader, but for a few responses that it would have to survive if it had such a fault."""

    broke = False

    def grade(self, items: Any, on_progress: Any = None) -> list[Verdict]:
        (_, response) = items[0]
        if response == HANG:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            time.sleep(1000)
        if response == CRASH:
            os.kill(os.getpid(), signal.SIGSEGV)
        if response == BREAK:
            raise RuntimeError("a fault of ours")
        if response == ONCE and not self.broke:
            self.broke = True
            raise RuntimeError("gone by the next time")
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
        for response in ["\\boxed{1}", BREAK, ONCE]:
            pool.submit(problem("1"), response)
        verdicts = pool.finish()
    assert [v.status for v in verdicts] == ["correct", "unknown", "correct"]
    assert "a fault of ours" in verdicts[1].reason


def test_where_no_grader_starts_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading_pool, "_work", never_starts)
    with GradingPool(GraderSettings(), workers=1) as pool:
        pool.submit(problem("1"), "\\boxed{1}")
        (verdict,) = pool.finish()
    assert verdict.status == "unknown"


@pytest.mark.parametrize("seconds", [0, 0.001, 0.1])
def test_killed_workers_are_replaced_and_no_response_is_blamed(pool: GradingPool, seconds: float) -> None:
    """Both, while they had nothing to do: the same responses go to one dead worker, then to the other."""
    pool._failed_starts = 1  # one that starts makes good for those that did not
    while not all(worker.ready for worker in pool._workers):
        pool.poll()
    for worker in pool._workers:
        worker.process.kill()
    time.sleep(seconds)
    for _ in range(40):
        pool.submit(problem("1"), "\\boxed{1}")
    assert {v.status for v in pool.finish()} == {"correct"}
    assert pool._failed_starts == 0


def test_the_limit_lies_beyond_the_graders_own() -> None:
    settings = GraderSettings()
    assert time_limit(settings) > max(3 * settings.code.program_wall_seconds, 12 * settings.maths_seconds)


def test_a_worker_holds_each_problem_once_however_often_it_is_sent() -> None:
    """Its grader remembers verdicts with the tests that they are of; tests may be megabytes."""
    tests = ('{"id": "punctuation:no_comma", "kwargs": {}}',)
    sent = Problem(id="t/i", domain="instruct", question="?", verifier="constraints", tests=tests, source="t")
    ours, theirs = multiprocessing.Pipe()
    worker = threading.Thread(target=grading_pool._serve, args=(theirs, grader := Grader()))
    worker.start()
    for response in ("a", "b, c", "d"):
        ours.send([(sent, response)])
        assert [ours.recv() is None, ours.recv() is None] == [True, False]
    ours.send(None)
    worker.join()
    grader.close()
    held = [key[2] for key in grader._cache]
    assert len(held) == 3 and all(tests is held[0] for tests in held)
