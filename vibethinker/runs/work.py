"""What a stage's process works with: inputs, a folder for its output, scratch space, a tracker, and the seal.

An output's folder:

    manifest.json         the seal, written last
    <anything else>       the output
    work/                 scratch: checkpoints, kept between attempts, removed at the seal
    attempts/<n>/         spec.json, events.jsonl, log.txt of each attempt; ranks/ where it had several processes
    .lock                 held by the launcher and the supervisor that work here

Rule for leftovers: whatever an attempt finds in an unsealed folder outside work/ and attempts/ was left by an attempt
that did not finish, and is removed before this one starts. So what is sealed was written whole by the sealing attempt;
what shall survive an attempt belongs under work/.
"""

import os
import platform
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from vibethinker.budget.holders import own_age
from vibethinker.errors import Preempted, SealError
from vibethinker.runs.manifest import Cost, Manifest, describe_files, now, seal, sealed
from vibethinker.runs.packages import installed
from vibethinker.runs.spec import StageSpec
from vibethinker.tracking.local import LocalTracker

WORK = "work"
LOCK = ".lock"
KEPT = frozenset({WORK, LOCK, "attempts"})
RANK = "VIBETHINKER_RANK"
"""Set in the processes of a stage that has several: which one this is. Only 0 clears leftovers, writes events and seals."""
RECORDED = ("datasets", "math_verify", "numpy", "pyarrow", "tokenizers", "torch", "transformers", "vllm")
"""Packages whose version a manifest records, where the stage has imported them."""


class Work:
    """One attempt at a stage, from inside its process. Made by `open_work`."""

    def __init__(self, spec: StageSpec, tracker: LocalTracker) -> None:
        self.spec = spec
        self.tracker = tracker
        self.out = spec.folder
        """Folder for the files that will be sealed; nothing from earlier attempts is in it."""
        self.scratch = spec.folder / WORK
        """Folder for checkpoints; survives attempts, removed at the seal."""
        self._stopped = False

    def stop(self) -> bool:
        """True once SIGTERM or SIGINT arrived: write a checkpoint and raise `Preempted`."""
        return self._stopped

    def check(self) -> None:
        """Raises Preempted once the stage was told to stop."""
        if self.stop():
            raise Preempted(f"{self.spec.node} was told to stop; the same command continues it")

    def input(self, name: str) -> Path:
        """Absolute folder of a sealed input. Raises SealError where it is not sealed, or is another output now."""
        reference = self.spec.inputs[name]
        folder = self.spec.workspace / reference.path
        manifest = sealed(folder)
        if manifest is None or (manifest.fingerprint, manifest.digest) != (reference.fingerprint, reference.digest):
            state = "is not sealed" if manifest is None else "holds another output than when this stage was planned"
            raise SealError(f"{self.spec.node}: input {name!r} at {folder} {state}; run the same command again")
        return folder

    def seal(self, metrics: Mapping[str, float]) -> Manifest:
        """Seals every file under `out` and removes `scratch`. Raises Preempted if the stage was told to stop."""
        if self.stop():
            raise Preempted(f"{self.spec.node} was told to stop before it could seal; the same command continues it")
        names = _files(self.out)
        flush(self.out, names)
        manifest = Manifest(
            **self.spec.model_dump(include={"node", "stage", "version", "fingerprint", "settings"}),
            inputs=self.spec.inputs,
            files=describe_files(self.out, names),
            metrics={name: float(value) for name, value in metrics.items()},
            cost=self._cost(),
            versions=_versions(),
            attempt=str(self.spec.attempt_folder.relative_to(self.spec.folder)),
            created=now(),
        )
        seal(self.spec.folder, manifest)
        shutil.rmtree(self.scratch)
        return manifest

    def _cost(self) -> Cost:
        runtime = self.spec.runtime
        return Cost(
            device_type=runtime.device_type,
            devices=runtime.devices,
            seconds=runtime.spent_seconds + own_age(),
            rate=runtime.rate,
            attempts=self.spec.attempt,
        )

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stopped = True


@contextmanager
def open_work(spec: StageSpec) -> Iterator[Work]:
    """Opens an attempt, in the main thread: clears leftovers, makes scratch, turns SIGTERM and SIGINT into a flag.

    In a process that only helps the stage's first (RANK), nothing is cleared and what the tracker is told goes nowhere.
    Raises SealError where the output is sealed already.
    """
    if sealed(spec.folder) is not None:
        raise SealError(f"{spec.folder} is sealed; remove the folder to make it again")
    first = os.environ.get(RANK, "0") == "0"
    if first:
        _clear_leftovers(spec.folder)
    with LocalTracker(spec.attempt_folder / "events.jsonl" if first else Path(os.devnull)) as tracker:
        work = Work(spec, tracker)
        work.scratch.mkdir(parents=True, exist_ok=True)
        before = {number: signal.signal(number, work._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield work
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _clear_leftovers(folder: Path) -> None:
    for entry in folder.iterdir() if folder.exists() else ():
        if entry.name in KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _files(folder: Path) -> list[str]:
    """Relative paths of the output's files."""
    tops = [entry for entry in folder.iterdir() if entry.name not in KEPT]
    paths = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*")) if path.is_file()]
    return [str(path.relative_to(folder)) for path in paths]


def flush(folder: Path, names: list[str]) -> None:
    """To the disk with files and their folders, so that after a power cut a seal never stands beside an empty file."""
    paths = {folder / name for name in names}
    for path in sorted(paths | {parent for p in paths for parent in p.parents if parent.is_relative_to(folder)}):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _versions() -> dict[str, str]:
    packages = {name: installed(name) or "unknown" for name in RECORDED if name in sys.modules}
    return {"python": platform.python_version(), **packages}
