"""A training process killed with SIGKILL, at random moments and while it writes a checkpoint, ends in the same bits."""

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.training.loop_lab import Lab, train_and_keep
from vibethinker.training import checkpoints

STEPS = 40
STARTED_BY = multiprocessing.get_context("forkserver")
"""Imports once; every process forked from it is a fresh one."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What an undisturbed process reaches: weights and history."""
    STARTED_BY.set_forkserver_preload(["tests.unit.training.loop_lab"])
    folder = tmp_path_factory.mktemp("whole")
    process = begin(folder)
    process.join()
    assert process.exitcode == 0
    return end(folder)


def begin(folder: Path) -> ForkServerProcess:
    process = STARTED_BY.Process(target=train_and_keep, args=(folder, STEPS))
    process.start()
    return process


def end(folder: Path) -> Any:
    return torch.load(folder / "end.pt", weights_only=False)


def killed(folder: Path, wait: Callable[[ForkServerProcess], object]) -> bool:
    """Starts or continues, waits, kills: whether the kill met a living process."""
    process = begin(folder)
    wait(process)
    process.kill()
    process.join()
    return process.exitcode != 0


def check(folder: Path, expected: Any) -> None:
    """To the end, undisturbed; the same bits as a run that was never killed."""
    process = begin(folder)
    process.join()
    assert process.exitcode == 0
    weights, history = end(folder)
    assert history == expected[1]
    assert weights.keys() == expected[0].keys()
    assert all(torch.equal(weight, expected[0][name]) for name, weight in weights.items())


def until_it_reached(folder: Path, step: int, more: float, process: ForkServerProcess) -> None:
    def reached() -> int:
        return max((int(p.name.split("-")[1]) for p in folder.glob("checkpoint-*")), default=0)

    while reached() < step and process.exitcode is None:
        time.sleep(0.001)
    time.sleep(more)


def kill_at_random(folder: Path, whole: Any, seed: int, kills: int) -> None:
    """Further on each time, at any moment of a step."""
    draw = random.Random(seed)
    hits = 0
    for step in sorted(draw.sample(range(STEPS - 10), kills)):
        hits += killed(folder, partial(until_it_reached, folder, step, draw.uniform(0, 0.05)))
    assert hits > kills / 2
    check(folder, whole)


def test_killed_a_few_times(whole: Any, tmp_path: Path) -> None:
    kill_at_random(tmp_path, whole, 1, 4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 27))
def test_killed_many_times(whole: Any, tmp_path: Path, seed: int) -> None:
    kill_at_random(tmp_path, whole, seed, 8)


def until_it_writes(folder: Path, more: float, process: ForkServerProcess) -> None:
    while not (folder / "partial").exists() and process.exitcode is None:
        time.sleep(0.0005)
    time.sleep(more)


def test_killed_while_it_writes_a_checkpoint(whole: Any, tmp_path: Path) -> None:
    draw = random.Random(3)
    halves = 0
    for _ in range(30):
        if halves == 3:
            break
        killed(tmp_path, partial(until_it_writes, tmp_path, draw.uniform(0, 0.005)))
        halves += (tmp_path / "partial").exists()
    assert halves == 3, "no kill came in time"
    check(tmp_path, whole)


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that after a power cut none is half there; and its name is, before the one before it goes."""
    done: list[str] = []
    fsync, rename, rmtree = os.fsync, Path.rename, checkpoints.shutil.rmtree

    def note(descriptor: int) -> None:
        done.append("flush " + str(Path(os.readlink(f"/proc/self/fd/{descriptor}")).relative_to(tmp_path)))
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        done.append(f"rename {path.name} {target.name}")
        return rename(path, target)

    def removed(path: Path, **how: bool) -> None:
        if path.exists():
            done.append(f"remove {path.name}")
        rmtree(path, **how)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(checkpoints.shutil, "rmtree", removed)
    Lab().train(tmp_path, 4)
    second = done[done.index("flush checkpoint-2") + 2 :]
    assert second == [
        "flush .",
        "flush partial",
        "flush partial/optimiser.pt",
        "flush partial/state.json",
        "flush partial/weights.safetensors",
        "rename partial checkpoint-4",
        "flush .",
        "flush checkpoint-4",
        "flush checkpoint-4/state.json",
        "remove checkpoint-2",
    ]
