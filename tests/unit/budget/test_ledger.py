"""The ledger under real processes."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vibethinker.budget.holders import LEASE, marked, own_age, place, started
from vibethinker.budget.ledger import Ledger, LedgerAway
from vibethinker.errors import BudgetExceeded

HERE = Path(__file__).parent


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.sqlite")


def book(ledger, seconds=10.0, limit=100.0, account="a", run="r1", devices=1):
    """At one dollar a device-second."""
    names = {"account": account, "run": run, "node": "n", "fingerprint": "f", "attempt": 1, "device_type": "CPU core"}
    return ledger.book(**names, devices=devices, rate=3600.0, seconds=seconds, limit=limit)


def change(ledger, **values):
    """Alters every lease behind the ledger's back: another holder, another time."""
    with sqlite3.connect(ledger.path) as database:
        for column, value in values.items():
            database.execute(f"UPDATE leases SET {column} = ?", (value,))


def dead_process():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_book_renew_settle(ledger):
    lease = book(ledger, seconds=10, devices=2)
    assert ledger.booked() == 20.0
    assert ledger.spent() == 0.0
    longer = ledger.renew(lease, 30, limit=100)
    assert longer.booked_until == pytest.approx(time.time() + 30, abs=1)
    assert ledger.booked() == pytest.approx(60.0, abs=1)
    ledger.settle(longer, 5.0)
    assert (ledger.spent(), ledger.booked()) == (10.0, 0.0)
    (row,) = ledger.rows()
    assert (row["seconds"], row["dollars"], row["settled_by"]) == (5.0, 10.0, "holder")


def test_what_really_ran_is_charged_even_beyond_the_booking(ledger):
    ledger.settle(book(ledger, seconds=10), 12.0)
    assert ledger.spent() == 12.0


def test_settling_twice_charges_once(ledger):
    lease = book(ledger)
    ledger.settle(lease, 5.0)
    ledger.settle(lease, 7.0)
    assert ledger.spent() == 5.0


def test_a_settled_lease_cannot_be_renewed(ledger):
    lease = book(ledger)
    ledger.settle(lease, 5.0)
    with pytest.raises(LedgerAway, match="no open lease for n, attempt 1"):
        ledger.renew(lease, 10, limit=100)
    assert (ledger.spent(), ledger.booked()) == (5.0, 0.0)


def test_a_renewal_never_shortens(ledger):
    lease = book(ledger, seconds=50)
    assert ledger.renew(lease, 5, limit=100).booked_until == lease.booked_until


def test_the_limit_counts_settled_and_open_leases_of_all_runs_of_the_account(ledger):
    ledger.settle(book(ledger, run="r1"), 40.0)
    book(ledger, seconds=50, run="r2")
    book(ledger, seconds=1000, limit=1000, account="other")
    with pytest.raises(BudgetExceeded) as refusal:
        book(ledger, seconds=11, run="r3")
    for part in (
        "budget of a",
        "limit $100.0000",
        "spent $40.0000",
        "booked by running stages $50.0000",
        "needs $11.0000",
    ):
        assert part in str(refusal.value)
    book(ledger, seconds=10, run="r3")  # exactly at the limit
    assert ledger.spent(account="a") + ledger.booked(account="a") == 100.0
    assert (ledger.booked(run="r2"), ledger.spent(run="r1"), ledger.spent(run="r2")) == (50.0, 40.0, 0.0)
    assert [row["run"] for row in ledger.rows("r3")] == ["r3"]


def test_a_refused_renewal_leaves_the_lease_as_it_was(ledger):
    lease = book(ledger, seconds=10, limit=15)
    with pytest.raises(BudgetExceeded, match=r"limit \$15\.0000"):
        ledger.renew(lease, 20, limit=15)
    assert ledger.booked() == 10.0
    assert ledger.renew(lease, 12, limit=15).booked_until > lease.booked_until


def test_eight_processes_never_pass_the_limit(tmp_path):
    path, limit = tmp_path / "new" / "ledger.sqlite", 20.0  # made by all of them at once
    command = [sys.executable, HERE / "book_script.py", path, str(limit)]
    processes = [subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, text=True) for seed in range(8)]
    admitted = sum(int(process.communicate()[0]) for process in processes)
    assert [process.returncode for process in processes] == [0] * 8
    ledger = Ledger(path)
    assert admitted == len(ledger.rows()) >= 20
    assert limit - 1 < ledger.spent() + ledger.booked() <= limit
    assert sorted(entry.name for entry in path.parent.iterdir() if "sqlite." in entry.name) == []


def test_threads_share_a_ledger(ledger):
    def work():
        for _ in range(10):
            ledger.settle(book(ledger, seconds=1, limit=1000), 0.5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.spent() == 20.0


def test_a_ledger_that_is_away_says_so_and_is_not_replaced(ledger):
    lease = book(ledger)
    ledger.path.rename(ledger.path.with_suffix(".away"))
    for call in (
        lambda: book(ledger),
        lambda: ledger.renew(lease, 1, 1),
        lambda: ledger.settle(lease, 1),
        ledger.spent,
    ):
        with pytest.raises(LedgerAway, match=r"ledger\.sqlite"):
            call()
    assert not ledger.path.exists()


def test_a_file_that_is_no_ledger_says_so(tmp_path):
    (tmp_path / "ledger.sqlite").write_text("something else, and long enough for a header" * 100)
    with pytest.raises(LedgerAway, match="not a database"):
        Ledger(tmp_path / "ledger.sqlite").rows()


def test_reconcile_leaves_what_is_held(ledger):
    book(ledger, seconds=50)  # by this process, which lives
    assert ledger.reconcile() == []
    assert ledger.booked() == 50.0


def test_reconcile_charges_a_dead_bookers_lease_up_to_now(ledger):
    book(ledger, seconds=50)
    change(ledger, pid=dead_process(), booked_at=time.time() - 20)
    assert len(ledger.reconcile()) == 1
    assert ledger.spent() == pytest.approx(20, abs=1)
    assert ledger.booked() == 0.0
    assert ledger.reconcile() == []


def test_reconcile_knows_a_reused_process_id(ledger):
    book(ledger)
    change(ledger, pid_started=started(os.getpid()) - 1)
    assert len(ledger.reconcile()) == 1


def test_reconcile_charges_no_more_than_the_lease(ledger):
    book(ledger)
    change(ledger, pid=dead_process(), booked_at=time.time() - 100, booked_until=time.time() - 70)
    ledger.reconcile()
    assert ledger.spent() == pytest.approx(30, abs=0.1)


def test_a_lease_whose_settlement_was_lost_ends_at_its_end_though_its_booker_lives(ledger):
    book(ledger)
    change(ledger, booked_at=time.time() - 100, booked_until=time.time() - 70)
    assert len(ledger.reconcile()) == 1
    assert ledger.spent() == pytest.approx(30, abs=0.1)


def test_a_process_that_outlives_booker_and_lease_is_charged_while_it_runs(ledger):
    lease = book(ledger)
    process = subprocess.Popen(["sleep", "60"], env={**os.environ, LEASE: lease.id})
    try:
        change(ledger, pid=dead_process(), booked_at=time.time() - 100, booked_until=time.time() - 70)
        assert marked(LEASE, lease.id) == [process.pid]
        assert ledger.reconcile() == []
        assert ledger.booked() == pytest.approx(100, abs=1)
    finally:
        process.kill()
        process.wait()
    assert ledger.reconcile() == [lease.id]
    assert ledger.spent() == pytest.approx(100, abs=1)


def test_leases_of_another_machine_wait_for_their_end(ledger):
    book(ledger, seconds=50)
    change(ledger, place="another boot", pid=dead_process())
    assert ledger.reconcile() == []
    change(ledger, booked_at=time.time() - 30, booked_until=time.time() - 10)
    assert len(ledger.reconcile()) == 1
    assert ledger.spent() == pytest.approx(20, abs=0.1)


def test_seconds_of_earlier_attempts(ledger):
    ledger.settle(book(ledger), 3.0)
    ledger.settle(book(ledger), 4.0)
    assert ledger.attempt_seconds("f", before=2) == 7.0
    assert ledger.attempt_seconds("f", before=1) == 0.0
    assert ledger.attempt_seconds("g", before=2) == 0.0


def test_a_process_knows_its_age_and_place():
    code = (
        "import time; time.sleep(0.5); from vibethinker.budget.holders import own_age, place; print(own_age(), place())"
    )
    age, _, where = subprocess.check_output([sys.executable, "-c", code], text=True).strip().partition(" ")
    assert 0.5 <= float(age) < 5
    assert where == place()
    assert own_age() > 0
    assert started(dead_process()) is None
