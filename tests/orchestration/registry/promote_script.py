"""One of several processes that promote at the same moment: `promote_script.py URI ROUNDS BARRIER PROCESSES`.

ROUNDS is a JSON file with one candidate a round, each for a registered model of its own. That a model generates is tested
elsewhere; here the seconds it takes would only keep the processes from meeting.
"""

import sys
import time
from pathlib import Path

import mlflow
import orjson
from mlflow import MlflowClient

from tasks import promotion
from vibethinker.config.profile import PromotionSettings
from vibethinker.promotion.checks import Check
from vibethinker.promotion.measurement import Measurement

uri, rounds, barrier, processes = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
promotion.generates_check = lambda copy: Check(name="generates", passed=True, seen="not tried")
mlflow.set_tracking_uri(uri)
client = MlflowClient(uri)
for i, row in enumerate(orjson.loads(rounds.read_bytes())):
    measured = Check(name="measured", passed=True, seen="by hand")
    measurement = Measurement.model_validate(row["measurement"])
    candidate = promotion.Candidate(row["version"], measurement, measured, row["files"])
    (barrier / f"{i}-{rounds.stem}").touch()
    while len(list(barrier.glob(f"{i}-*"))) < processes:
        time.sleep(0.002)
    rule = PromotionSettings.model_validate(row["rule"])
    print(promotion.promote_version(client, row["name"], candidate, rule, row["run"]).decision, flush=True)
