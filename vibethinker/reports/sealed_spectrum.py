"""Reads the sealed outputs of a round: trajectories, selections, fusions, and what made its traces.

Older outputs lack some of the fields: what they don't say is None, or not there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vibethinker.algorithms.statistics import Interval
from vibethinker.reports.data import Checkpoint, Choice, Probe, Trajectory
from vibethinker.reports.sealed import load, node_of
from vibethinker.reports.spectrum_data import (
    Bucket,
    Candidate,
    Distilled,
    Fusion,
    HardSubset,
    HeldOut,
    ProbingSets,
    Search,
    Teacher,
)

COUNTED = ("problems", "traces", "verified", "kept", "truncated", "prompt_tokens", "response_tokens")
"""Of a teacher."""
REJECTIONS = ("malformed", "duplicates", "contaminated", "disagreed")
"""Why a written probing problem was not kept, in the order of the checks."""


def read_trajectory(folder: Path) -> Trajectory:
    """trajectory.json of an expert's node."""
    raw = load(folder / "trajectory.json")
    rows = sorted(raw["checkpoints"], key=lambda c: c["step"])
    checkpoints = tuple(
        Checkpoint(c["step"], c.get("loss"), c.get("tokens", 0), {d: _probe(p) for d, p in c.get("probes", {}).items()})
        for c in rows
    )
    return Trajectory(node_of(folder), raw["k"], checkpoints)


def _probe(raw: Mapping[str, Any]) -> Probe:
    return Probe(
        raw["problems"],
        raw["samples"],
        {int(k): v for k, v in raw["pass_at"].items()},
        raw["low"],
        raw["high"],
        raw.get("loss"),
        raw.get("paths"),
    )


def read_choices(folder: Path) -> tuple[str, tuple[Choice, ...]]:
    """The rule and the selected checkpoints of selection.json."""
    raw = load(folder / "selection.json")
    return raw["rule"], tuple(
        Choice(domain, row["node"], row["step"], row["pass_at_1"], row["pass_at_k"], row.get("loss"))
        for domain, row in raw["experts"].items()
    )


def read_fusion(folder: Path) -> Fusion | None:
    """fusion.json; None in older outputs, which have none."""
    path = folder / "fusion.json"
    if not path.exists():
        return None
    raw = load(path)
    return Fusion(node_of(folder), raw["weights"], _search(raw["search"]) if raw.get("search") else None)


def _search(raw: Mapping[str, Any]) -> Search:
    held = raw.get("held_out")
    return Search(
        k=raw["k"],
        candidates=tuple(Candidate(c["weights"], c["pass_at_k"]) for c in raw["candidates"]),
        chosen=raw["chosen"],
        held_out=HeldOut(held["problems"], *(_interval(held[part]) for part in ("uniform", "chosen", "difference")))
        if held
        else None,
    )


def _interval(raw: Mapping[str, float]) -> Interval:
    return Interval(raw["mean"], raw["low"], raw["high"])


def read_distilled(folder: Path) -> Distilled:
    """counts.json of a `distill` stage."""
    raw = load(folder / "counts.json")
    potential = raw.get("potential") or {}
    return Distilled(
        node=node_of(folder),
        problems=raw["problems"],
        teachers=tuple(_teacher(name, row) for name, row in raw["teachers"].items()),
        pseudo_labelled=raw.get("pseudo_labelled", 0),
        unlabelled=raw.get("unlabelled", 0),
        contaminated=raw.get("contaminated", 0),
        domains=raw.get("domains", {}),
        buckets=tuple(_bucket(row) for row in potential.get("buckets", ())),
        reasons=raw.get("reasons", {}),
    )


def _teacher(name: str, raw: Mapping[str, Any]) -> Teacher:
    counted = {key: int(raw[key]) for key in COUNTED}
    return Teacher(name=name, seconds=raw["seconds"], dollars=raw["dollars"], **counted)


def _bucket(raw: Mapping[str, Any]) -> Bucket:
    keys = ("domain", "low_tokens", "high_tokens", "traces", "kept", "low", "high")
    return Bucket(*(raw[k] for k in keys))


def read_hard(folder: Path) -> HardSubset:
    """counts.json of a `curriculum` stage."""
    raw = load(folder / "counts.json")
    sums = {key: int(raw[key]) for key in ("problems", "hard", "long", "kept")}
    return HardSubset(node=node_of(folder), reference=raw["reference"], domains=raw["domains"], **sums)


def read_probing(folder: Path) -> ProbingSets:
    """counts.json of a `probing` stage."""
    raw = load(folder / "counts.json")
    return ProbingSets(
        node=node_of(folder),
        written=int(raw["written"]),
        rejected={reason: int(raw[reason]) for reason in REJECTIONS},
        kept=int(raw["kept"]),
        domains=raw["domains"],
        requests=int(raw["requests"]),
        prompt_tokens=int(raw["prompt_tokens"]),
        response_tokens=int(raw["response_tokens"]),
        dollars=raw["dollars"],
    )
