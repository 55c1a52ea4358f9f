"""Adds one to a number in a file, again and again, each time under the lock: `lock_script.py URI FILE TIMES`."""

import sys
import time
from pathlib import Path

from mlflow import MlflowClient

from tasks import registry_lock

registry_lock.POLL = 0.01
client, path = MlflowClient(sys.argv[1]), Path(sys.argv[2])
for _ in range(int(sys.argv[3])):
    with registry_lock.promotion_lock(client, "counted", "test") as still_ours:
        before = int(path.read_text())
        time.sleep(0.02)
        assert still_ours()
        path.write_text(str(before + 1))
