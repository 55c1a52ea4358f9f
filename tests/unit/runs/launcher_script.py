"""A launcher for tests that can be killed: `launcher_script.py SPEC LEDGER GRACE`, prints the attempt that sealed."""

import sys
from pathlib import Path

from vibethinker.budget.ledger import Ledger
from vibethinker.runs.launch import run_stage
from vibethinker.runs.lease import LeaseTerms
from vibethinker.runs.spec import StageSpec

spec = StageSpec.read(Path(sys.argv[1]))
stage = [sys.executable, str(Path(__file__).with_name("stage_script.py"))]
terms = LeaseTerms(account="tiny", run="r1", limit=10_000.0, seconds=30.0, grace=float(sys.argv[3]))
manifest = run_stage(spec, stage, Ledger(Path(sys.argv[2])), lambda events: None, terms, lambda: False)
print(manifest.attempt)
