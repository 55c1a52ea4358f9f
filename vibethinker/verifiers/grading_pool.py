"""Graders in processes of their own: verdicts come while the caller generates, and no response can hold them up."""

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Self

from vibethinker.records import Problem, Verdict
from vibethinker.verifiers.grader import Grader, GraderSettings

TRIES = 2
"""A response that ends its worker, or outlasts its time, is tried once more in a fresh one: the first may not be its doing."""
START_SECONDS = 120.0
"""A worker has so long to start."""
BATCH = 32
"""Responses sent to a worker at once, at most."""
BREATH = 0.02
"""Seconds between looks of `poll`, so that it may be called for every response."""
SPARE_SECONDS = 60.0
"""On top of what the grader's own limits allow: those should always end a response first."""

Judge = Callable[[Problem, str], Verdict]


@dataclass
class _Item:
    key: int
    problem: Problem
    response: str
    tries: int = 0


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    connection: "Connection[list[tuple[Problem, str]] | None, Verdict | None]"
    since: float
    """When it was started, or began with the first of its items."""
    ready: bool = False
    begun: bool = False
    """Whether it has said that it has its items: what ends it before is none of their doing."""
    items: deque[_Item] = field(default_factory=deque)


def time_limit(settings: GraderSettings) -> float:
    """Seconds after which a response that is still being graded is given up: beyond all limits of the grader's own."""
    code = 3 * settings.code.program_wall_seconds  # one repetition with twice the time
    return SPARE_SECONDS + max(code, 12.0 * settings.maths_seconds)


class GradingPool:
    """Not thread-safe: one caller submits, looks in with `poll` while it does other work, and fetches with `finish`."""

    def __init__(self, settings: GraderSettings, workers: int, seconds: float | None = None) -> None:
        """seconds: for one response; None is `time_limit`."""
        self._settings, self._count = settings, workers
        self._seconds = time_limit(settings) if seconds is None else seconds
        self._queue: deque[_Item] = deque()
        self._verdicts: dict[int, Verdict] = {}
        self._submitted = 0
        self._failed_starts = 0
        self._looked = 0.0
        self._workers = [self._start() for _ in range(workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every worker at once."""
        for worker in self._workers:
            _end(worker)
        self._workers = []

    def submit(self, problem: Problem, response: str) -> int:
        """Queues a response; its key counts the responses since the last `finish`."""
        self._queue.append(_Item(self._submitted, problem, response))
        self._submitted += 1
        return self._submitted - 1

    def poll(self) -> None:
        """Hands out what is queued to workers that are free and takes in verdicts that are ready. Never waits; cheap."""
        if time.monotonic() - self._looked >= BREATH:
            self._turn(patient=False)
            self._looked = time.monotonic()

    def finish(self) -> list[Verdict]:
        """Waits for the verdicts of all that was submitted since the last call, in that order."""
        while len(self._verdicts) < self._submitted:
            self._turn(patient=True)
        found = [self._verdicts[key] for key in range(self._submitted)]
        self._verdicts, self._submitted = {}, 0
        return found

    def _turn(self, patient: bool) -> None:
        """patient: waits until some worker has something to say, or is to be given up."""
        self._hand_out()
        seconds = self._patience() if patient else 0.0
        by_connection = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(by_connection), seconds):
            self._take_in(by_connection[connection])  # type: ignore[index]
        now = time.monotonic()
        for worker in list(self._workers):
            if now > self._deadline(worker):
                self._lost(worker, f"grading it took longer than {self._seconds:g} s")
        self._hand_out()

    def _hand_out(self) -> None:
        for worker in list(self._workers):
            if self._queue and worker.ready and not worker.items:
                size = min(BATCH, max(1, len(self._queue) // (2 * self._count)))
                worker.items.extend(self._queue.popleft() for _ in range(min(size, len(self._queue))))
                worker.since, worker.begun = time.monotonic(), False
                try:
                    worker.connection.send([(item.problem, item.response) for item in worker.items])
                except OSError:
                    self._lost(worker, "its grader crashed")

    def _take_in(self, worker: _Worker) -> None:
        """Everything that a worker has said: that it is ready; that it has its items, then a verdict for each in turn."""
        try:
            while worker.connection.poll():
                verdict = worker.connection.recv()
                worker.since = time.monotonic()
                if verdict is None:
                    worker.ready, worker.begun, self._failed_starts = True, bool(worker.items), 0
                else:
                    self._keep(worker.items.popleft(), verdict)
        except (EOFError, OSError):
            self._lost(worker, "its grader crashed")

    def _keep(self, item: _Item, verdict: Verdict) -> None:
        """Where our own infrastructure failed, once more (promise 6)."""
        item.tries += 1
        if verdict.status == "unknown" and item.tries < TRIES:
            self._queue.append(item)
        else:
            self._verdicts[item.key] = verdict

    def _deadline(self, worker: _Worker) -> float:
        """Moment on `time.monotonic()`'s clock at which the worker is given up."""
        if not worker.ready:
            return worker.since + START_SECONDS
        return worker.since + self._seconds if worker.items else float("inf")

    def _patience(self) -> float:
        return max(0.0, min(self._deadline(worker) for worker in self._workers) - time.monotonic())

    def _lost(self, worker: _Worker, reason: str) -> None:
        """Replaces a worker; the response it was at is tried again, or is incorrect: a response can cause all of this."""
        _end(worker)
        items = worker.items
        if worker.begun and items:
            items[0].tries += 1
            if items[0].tries == TRIES:
                item = items.popleft()
                self._verdicts[item.key] = Verdict(status="incorrect", reason=reason)
        elif not worker.ready:
            self._failed_starts += 1
        self._queue.extendleft(reversed(items))
        if self._failed_starts >= TRIES * self._count:
            self._give_up()
        self._workers[self._workers.index(worker)] = self._start()

    def _give_up(self) -> None:
        """No worker starts on this machine: our own failure, so nothing is known of what waits (promise 6)."""
        for item in self._queue:
            self._verdicts[item.key] = Verdict(status="unknown", reason="no grader starts on this machine")
        self._queue.clear()

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._settings), name="grader", daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours, time.monotonic())


def _end(worker: _Worker) -> None:
    worker.connection.close()
    worker.process.kill()
    worker.process.join()


def _work(connection: "Connection[Verdict | None, list[tuple[Problem, str]] | None]", settings: GraderSettings) -> None:
    """A worker's life; it ends when the pool does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Grader(settings, workers=1) as grader:
        connection.send(None)
        try:
            _serve(connection, grader)
        except (EOFError, OSError):
            return


def _serve(connection: "Connection[Verdict | None, list[tuple[Problem, str]] | None]", grader: Grader) -> None:
    problems: dict[Problem, Problem] = {}  # each comes anew with each response, and the grader remembers what it graded
    while (items := connection.recv()) is not None:
        connection.send(None)
        _answer(connection, grader, [(problems.setdefault(problem, problem), response) for problem, response in items])


def _answer(
    connection: "Connection[Verdict | None, list[tuple[Problem, str]] | None]",
    grader: Grader,
    items: Sequence[tuple[Problem, str]],
) -> None:
    for problem, response in items:
        try:
            (verdict,) = grader.grade([(problem, response)])
        except Exception as error:  # the pool's caller has checked its problems: what is left is our own failure
            verdict = Verdict(status="unknown", reason=f"{type(error).__name__}: {error}")
        connection.send(verdict)
