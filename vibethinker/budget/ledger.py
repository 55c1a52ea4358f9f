"""The ledger: no process of a stage runs outside a lease that was booked here before it started (promise 4).

A lease is paid for up to `booked_until` when it is booked or renewed, and settled at its real seconds in the end. The
limit holds for an account (the profile's name): all its runs together, settled and still booked, so that starting again
does not evade it. Bookings are admitted one at a time (BEGIN IMMEDIATE), whatever the number of processes.

SQLite in WAL mode. Each call opens its own connection, so a Ledger may be shared by threads and forks, and a ledger
that has gone away is noticed instead of being written to a deleted file.
"""

import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vibethinker.budget.charge import MICRO, micro_dollars
from vibethinker.budget.holders import LEASE, marked, place, started
from vibethinker.errors import BudgetExceeded, VibeThinkerError

PATIENCE = 10.0
"""Seconds that a call waits for another one's transaction."""
SCHEMA = """
CREATE TABLE leases (
    id            TEXT PRIMARY KEY,
    account       TEXT NOT NULL,     -- the limit holds for it: the profile's name
    run           TEXT NOT NULL,
    node          TEXT NOT NULL,
    fingerprint   TEXT NOT NULL,
    attempt       INTEGER NOT NULL,
    device_type   TEXT NOT NULL,
    devices       INTEGER NOT NULL,
    rate          REAL NOT NULL,     -- dollars per device-hour, as it was at booking
    pid           INTEGER NOT NULL,  -- who booked
    pid_started   INTEGER NOT NULL,
    place         TEXT NOT NULL,     -- boot id and process namespace that pid belongs to
    booked_at     REAL NOT NULL,     -- Unix seconds
    booked_until  REAL NOT NULL,
    settled_at    REAL,              -- NULL: open
    settled_by    TEXT,              -- 'holder', or 'reconcile' after a crash
    seconds       REAL NOT NULL,     -- booked while open, real once settled
    micro_dollars INTEGER NOT NULL   -- for `seconds`
);
CREATE INDEX leases_account ON leases (account);
CREATE INDEX leases_fingerprint ON leases (fingerprint);
PRAGMA user_version = 1;
"""


class LedgerAway(VibeThinkerError, OSError):
    """The ledger's file, or the lease in it, cannot be reached: what runs may do so until its lease's end."""


@dataclass(frozen=True)
class Lease:
    """Seconds on devices that are booked, for one attempt at one stage."""

    id: str
    account: str
    run: str
    node: str
    fingerprint: str
    attempt: int
    device_type: str
    devices: int
    rate: float
    """Dollars per device-hour."""
    booked_at: float
    """Unix seconds."""
    booked_until: float
    """Unix seconds."""


class Ledger:
    """The ledger in a file, which is made where there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            _create(path)

    def book(
        self,
        *,
        account: str,
        run: str,
        node: str,
        fingerprint: str,
        attempt: int,
        device_type: str,
        devices: int,
        rate: float,
        seconds: float,
        limit: float,
    ) -> Lease:
        """Books `seconds` from now on. Raises BudgetExceeded where the account would pass `limit` dollars."""
        with self._transaction() as database:
            now = time.time()
            lease = Lease(
                uuid.uuid4().hex,
                account,
                run,
                node,
                fingerprint,
                attempt,
                device_type,
                devices,
                rate,
                now,
                now + seconds,
            )
            cost = micro_dollars(seconds, devices, rate)
            _admit(database, lease, cost, 0, limit)
            holder = {"pid": os.getpid(), "pid_started": started(os.getpid()), "place": place()}
            _insert(database, vars(lease) | holder | {"seconds": seconds, "micro_dollars": cost})
            return lease

    def renew(self, lease: Lease, seconds: float, limit: float) -> Lease:
        """Extends a lease to `seconds` from now on; a longer one stays.

        Raises BudgetExceeded (the lease stands as it was), LedgerAway.
        """
        with self._transaction() as database:
            row = _open_row(database, lease)
            if row is None:
                raise LedgerAway(f"{self.path} has no open lease for {lease.node}, attempt {lease.attempt}")
            until = max(time.time() + seconds, row["booked_until"])
            cost = micro_dollars(until - lease.booked_at, lease.devices, lease.rate)
            _admit(database, lease, cost, row["micro_dollars"], limit)
            _extend(database, row, until)
            return replace(lease, booked_until=until)

    def settle(self, lease: Lease, seconds: float) -> None:
        """Closes a lease at the real seconds since it was booked. A closed one stays as it is. Raises LedgerAway."""
        with self._transaction() as database:
            row = _open_row(database, lease)
            if row is not None:
                _close(database, row, seconds, "holder")

    def reconcile(self) -> list[str]:
        """Settles open leases that nothing holds any more at the most that can have run; gives their ids.

        A lease is held while a process that carries its mark lives, and before its end while its booker does.
        Leases of another machine or of an earlier boot are settled once their end has passed: nothing runs longer.
        Raises LedgerAway.
        """
        with self._transaction() as database:
            rows = database.execute("SELECT * FROM leases WHERE settled_at IS NULL").fetchall()
            return [row["id"] for row in rows if _reconcile(database, row)]

    def spent(self, account: str | None = None, run: str | None = None) -> float:
        """Dollars of settled leases, of everything or of one account or run."""
        return self._dollars("settled_at IS NOT NULL", account, run)

    def booked(self, account: str | None = None, run: str | None = None) -> float:
        """Dollars of open leases, of everything or of one account or run."""
        return self._dollars("settled_at IS NULL", account, run)

    def attempt_seconds(self, fingerprint: str, before: int) -> float:
        """Seconds of all attempts at an output whose number is below `before`."""
        query = "SELECT TOTAL(seconds) FROM leases WHERE fingerprint = ? AND attempt < ?"
        with self._connection() as database:
            return float(database.execute(query, (fingerprint, before)).fetchone()[0])

    def rows(self, run: str | None = None) -> list[dict[str, Any]]:
        """All leases in the order of booking, with `dollars`; of one run, if given."""
        query = "SELECT *, micro_dollars / 1e6 AS dollars FROM leases WHERE ? IS NULL OR run = ? ORDER BY booked_at, id"
        with self._connection() as database:
            return [dict(row) for row in database.execute(query, (run, run))]

    def _dollars(self, state: str, account: str | None, run: str | None) -> float:
        query = "SELECT TOTAL(micro_dollars) FROM leases WHERE ifnull(account = ?, 1) AND ifnull(run = ?, 1) AND "
        with self._connection() as database:
            return float(database.execute(query + state, (account, run)).fetchone()[0]) / MICRO

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            address = f"file:{quote(str(self.path))}?mode=rw"
            with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)) as database:
                database.row_factory = sqlite3.Row
                yield database
        except sqlite3.Error as error:
            raise LedgerAway(_away(self.path, error)) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.rollback()
                raise
            database.commit()


def _away(path: Path, error: Exception) -> str:
    return (
        f"ledger {path}: {error}; bring it back (it says what was spent: don't start a new one), let this user write it, and "
        "run the same command again"
    )


def _create(path: Path) -> None:
    """Makes a whole ledger beside the path and links it there: of many at once, one wins and the others use it.

    Raises LedgerAway where it can't be written.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(draft)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(SCHEMA)
        if not path.exists():
            os.link(draft, path)
    except (OSError, sqlite3.Error) as error:
        if not path.exists():
            raise LedgerAway(
                f"ledger {path} can't be made: {error}; give a workspace that this user may write"
            ) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _admit(database: sqlite3.Connection, lease: Lease, cost: int, already: int, limit: float) -> None:
    """Raises BudgetExceeded where the account would pass its limit if this lease cost `cost` instead of `already`."""
    spent, booked = database.execute(
        "SELECT TOTAL(iif(settled_at IS NULL, 0, micro_dollars)), TOTAL(iif(settled_at IS NULL, micro_dollars, 0))"
        " FROM leases WHERE account = ?",
        (lease.account,),
    ).fetchone()
    if spent + booked - already + cost > round(limit * MICRO):
        raise BudgetExceeded(
            f"budget of {lease.account} is reached: limit ${limit:,.4f}, spent ${spent / MICRO:,.4f},"
            f" booked by running stages ${booked / MICRO:,.4f}, {lease.node} needs ${(cost - already) / MICRO:,.4f}"
            " more; raise budget.limit and run the same command: it continues from here"
        )


def _insert(database: sqlite3.Connection, row: dict[str, Any]) -> None:
    database.execute(
        "INSERT INTO leases VALUES (:id, :account, :run, :node, :fingerprint, :attempt, :device_type, :devices, :rate,"
        " :pid, :pid_started, :place, :booked_at, :booked_until, NULL, NULL, :seconds, :micro_dollars)",
        row,
    )


def _open_row(database: sqlite3.Connection, lease: Lease) -> sqlite3.Row | None:
    query = "SELECT * FROM leases WHERE id = ? AND settled_at IS NULL"
    row: sqlite3.Row | None = database.execute(query, (lease.id,)).fetchone()
    return row


def _extend(database: sqlite3.Connection, row: sqlite3.Row, until: float) -> None:
    seconds = until - row["booked_at"]
    cost = micro_dollars(seconds, row["devices"], row["rate"])
    database.execute(
        "UPDATE leases SET booked_until = ?, seconds = ?, micro_dollars = ? WHERE id = ?",
        (until, seconds, cost, row["id"]),
    )


def _close(database: sqlite3.Connection, row: sqlite3.Row, seconds: float, by: str) -> None:
    cost = micro_dollars(seconds, row["devices"], row["rate"])
    database.execute(
        "UPDATE leases SET settled_at = ?, settled_by = ?, seconds = ?, micro_dollars = ? WHERE id = ?",
        (time.time(), by, seconds, cost, row["id"]),
    )


def _reconcile(database: sqlite3.Connection, row: sqlite3.Row) -> bool:
    """Settles the lease of a row if nothing holds it; says whether it did."""
    now = time.time()
    here = row["place"] == place()
    if here and marked(LEASE, row["id"]):
        # Something outlived its lease (its supervisor was killed): what is seen running is charged.
        _extend(database, row, max(now, row["booked_until"]))
        return False
    booker_lives = not here or started(row["pid"]) == row["pid_started"]
    if booker_lives and now < row["booked_until"]:
        return False
    _close(database, row, min(now, row["booked_until"]) - row["booked_at"], "reconcile")
    return True
