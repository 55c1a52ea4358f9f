"""Which of a trajectory's checkpoints stay on disk: those that some rule would select in some domain, the last among them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson

from vibethinker.algorithms.selection import leaders
from vibethinker.runs.links import link_tree
from vibethinker.runs.work import flush
from vibethinker.stages.trajectory import Checkpoint, probe_points

PROBE = "probe.json"
"""Beside a candidate's weights: its point of the trajectory."""


def keep_leaders(folder: Path, point: Checkpoint, k: int, save: Callable[[Path], None]) -> None:
    """Adds the current weights as folder/step-<n>, then removes every candidate that leads nowhere any more.

    save(folder) writes the weights. They are on the disk before anything is removed: a kill or a power cut leaves whole
    candidates, the leaders of all checkpoints so far among them.
    """
    target = folder / f"step-{point['step']}"
    partial = folder.with_name("candidate-partial")
    for stale in (partial, target):
        shutil.rmtree(stale, ignore_errors=True)
    save(partial)
    (partial / PROBE).write_bytes(orjson.dumps(point))
    flush(partial.parent, [str(p.relative_to(partial.parent)) for p in partial.rglob("*") if p.is_file()])
    folder.mkdir(exist_ok=True)
    partial.rename(target)
    flush(folder.parent, [f"{folder.name}/{target.name}/{PROBE}"])  # the new name too
    _remove_the_beaten(folder, k)


def _remove_the_beaten(folder: Path, k: int) -> None:
    points = [orjson.loads(path.read_bytes()) for path in folder.glob(f"*/{PROBE}")]
    kept = leaders(probe_points(points, domain, k) for domain in points[0]["probes"])
    for point in points:
        if point["step"] not in kept:
            shutil.rmtree(folder / f"step-{point['step']}")


def hand_out(folder: Path, checkpoints: Path, final: Path, last: int) -> None:
    """What is sealed of the candidates: all of them under `checkpoints`, that of step `last` also as `final`, written once."""
    for candidate in folder.iterdir():
        link_tree(candidate, checkpoints / candidate.name, PROBE)
    link_tree(folder / f"step-{last}", final, PROBE)
