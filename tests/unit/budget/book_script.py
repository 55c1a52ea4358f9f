"""Books, and sometimes settles, as fast as it can: `book_script.py LEDGER LIMIT SEED`; prints how many it got."""

import random
import sys
from pathlib import Path

from vibethinker.budget.ledger import Ledger
from vibethinker.errors import BudgetExceeded

ledger, limit, chance = Ledger(Path(sys.argv[1])), float(sys.argv[2]), random.Random(int(sys.argv[3]))
admitted = 0
for attempt in range(40):
    try:
        lease = ledger.book(
            account="a",
            run=f"r{sys.argv[3]}",
            node="n",
            fingerprint="f",
            attempt=attempt,
            device_type="CPU core",
            devices=1,
            rate=3600.0,
            seconds=1.0,
            limit=limit,
        )
    except BudgetExceeded:
        continue
    admitted += 1
    if chance.random() < 0.5:
        ledger.settle(lease, chance.random())
print(admitted)
