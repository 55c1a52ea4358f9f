"""An expert's trajectory, as `trajectory.json` holds it."""

from collections.abc import Iterable
from typing import Any

from vibethinker.algorithms.selection import ProbePoint

Checkpoint = dict[str, Any]
"""{"step", "loss", "probes": {domain: {"problems", "samples", "pass_at": {K: rate}, "low", "high"}}}"""


def probe_points(checkpoints: Iterable[Checkpoint], domain: str, k: int) -> list[ProbePoint]:
    """The trajectory's points on one domain; step 0, the base model, is no candidate."""
    rates_of = [(c["step"], c["probes"][domain]["pass_at"]) for c in checkpoints if c["step"]]
    return [ProbePoint(step, at["1"], at[str(k)]) for step, at in rates_of]
