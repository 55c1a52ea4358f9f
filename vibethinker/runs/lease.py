"""Keeps a running stage inside a booked lease."""

import logging
import time
from dataclasses import dataclass

from vibethinker.budget.ledger import Lease, Ledger, LedgerAway
from vibethinker.errors import BudgetExceeded
from vibethinker.runs.spec import StageSpec

log = logging.getLogger(__name__)
MARGIN = 2.0
"""Seconds booked beyond the grace period, for starting and killing processes."""
RETRY = 1.0
"""Seconds between attempts at a renewal that was refused: money comes free when another stage settles."""


@dataclass(frozen=True)
class LeaseTerms:
    """How a stage's time is booked."""

    account: str
    """What the limit holds for: the profile's name."""
    run: str
    """Id of the run that pays."""
    limit: float
    """Dollars for the account."""
    seconds: float = 60.0
    """Seconds booked at a time; renewed when half of them are over."""
    grace: float = 30.0
    """Seconds a stage has to checkpoint and leave, booked on top."""


class LeaseKeeper:
    """Books a lease, renews it, settles it."""

    def __init__(self, ledger: Ledger, terms: LeaseTerms, spec: StageSpec) -> None:
        self._ledger = ledger
        self._terms = terms
        self._asked = time.monotonic()
        self.lease: Lease = ledger.book(
            account=terms.account,
            run=terms.run,
            node=spec.node,
            fingerprint=spec.fingerprint,
            attempt=spec.attempt,
            device_type=spec.runtime.device_type,
            devices=spec.runtime.devices,
            rate=spec.runtime.rate,
            seconds=self._booking,
            limit=terms.limit,
        )
        self._began = time.monotonic()
        self.until = self._asked + terms.seconds
        """Moment on `time.monotonic()`'s clock at which the stage must start to leave."""
        self.refusal: BudgetExceeded | LedgerAway | None = None
        """Why the latest renewal failed."""

    @property
    def _booking(self) -> float:
        return self._terms.seconds + self._terms.grace + MARGIN

    def renew_if_due(self) -> bool:
        """Renews when half of the lease is over; says whether `until` has moved."""
        now = time.monotonic()
        half_left = self.until - now < self._terms.seconds / 2
        if not half_left or now >= self.until or (self.refusal and now - self._asked < RETRY):
            return False
        self._asked = now
        try:
            self.lease = self._ledger.renew(self.lease, self._booking, self._terms.limit)
        except (BudgetExceeded, LedgerAway) as refusal:
            self.refusal = refusal
            return False
        self.until, self.refusal = now + self._terms.seconds, None
        return True

    def settle(self) -> float:
        """Settles the lease at the seconds since it was booked, and gives them."""
        seconds = time.monotonic() - self._began
        try:
            self._ledger.settle(self.lease, seconds)
        except LedgerAway as error:
            log.warning("%s: its lease stays open and will be charged to its end (%s)", self.lease.node, error)
        return seconds
