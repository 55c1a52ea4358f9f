"""Trainers that take turns, one step each: what else the machine does hits them alike."""

import threading
import time
from collections.abc import Sequence

PATIENCE = 300.0
"""Seconds after which a party that does not hand over is taken for dead."""


class Turns:
    """Each party has its own thread, and calls `next` before each of its steps and after its last."""

    def __init__(self, parties: Sequence[str], rounds: int) -> None:
        self._parties, self._rounds = list(parties), rounds
        self._may = {party: threading.Semaphore(0) for party in parties}
        self._began: dict[str, float] = {}
        self.seconds: dict[str, list[float]] = {party: [] for party in parties}
        """Party -> of each of its steps."""

    def start(self) -> None:
        """Lets the first party begin."""
        self._may[self._parties[0]].release()

    def next(self, party: str) -> bool:
        """Notes the step that has ended, lets the next party take one, waits; whether there is another for this one."""
        if party in self._began:
            self.seconds[party].append(time.perf_counter() - self._began[party])
            self._hand_over(party)
        if len(self.seconds[party]) == self._rounds:
            return False
        if not self._may[party].acquire(timeout=PATIENCE):
            raise TimeoutError(f"{party} has waited {PATIENCE:.0f} s for its turn")
        self._began[party] = time.perf_counter()
        return True

    def _hand_over(self, party: str) -> None:
        self._may[self._parties[(self._parties.index(party) + 1) % len(self._parties)]].release()
