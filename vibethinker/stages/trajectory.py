"""An expert's trajectory, as `trajectory.json` holds it."""

from collections.abc import Iterable
from typing import Any

from vibethinker.algorithms.selection import ProbePoint

Checkpoint = dict[str, Any]
"""{"step", "loss": mean training loss since the checkpoint before, "probes": {domain: {"problems", "samples", "pass_at":
{K: rate}, "low", "high": 95%, at the largest K, by question, "loss": nats a token on the probing set's own traces or null,
"paths": mean distinct correct paths a question, "counts": {problem: [n, correct]}}}}"""


def probe_points(checkpoints: Iterable[Checkpoint], domain: str, k: int) -> list[ProbePoint]:
    """The trajectory's points on one domain; step 0, the start model, is no candidate."""
    probes = [(c["step"], c["probes"][domain]) for c in checkpoints if c["step"]]
    return [ProbePoint(step, p["pass_at"]["1"], p["pass_at"][str(k)], p["loss"]) for step, p in probes]
