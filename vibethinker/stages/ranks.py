"""What the processes of one training stage leave for the process that started them: how each of them ended."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from vibethinker.runs.manifest import write_atomic
from vibethinker.runs.spec import StageSpec
from vibethinker.stages.ending import Ending

TRAIN = ("expert", "mgpo")


def processes(spec: StageSpec) -> int:
    """In how many processes the stage runs: one, unless it trains."""
    trains = spec.stage in TRAIN or (spec.stage == "base" and spec.settings["source"] == "scratch")
    return spec.runtime.processes if trains else 1


@dataclass(frozen=True)
class RankEnding:
    """How one of them ended, and when."""

    rank: int
    code: int
    said: str
    at: float
    """On the machine's monotonic clock."""


def write_ending(spec: StageSpec, rank: int, ending: Ending) -> None:
    """Leaves it in the attempt's folder."""
    folder = spec.attempt_folder / "ranks"
    folder.mkdir(parents=True, exist_ok=True)
    found = RankEnding(rank, ending.code, ending.said, time.monotonic())
    write_atomic(folder / f"{rank}.json", orjson.dumps(asdict(found)))


def read_endings(spec: StageSpec) -> list[RankEnding]:
    """Those there are, in the order in which they happened: of several that failed, the others only lost the first."""
    paths: list[Path] = sorted((spec.attempt_folder / "ranks").glob("*.json"))
    return sorted((RankEnding(**orjson.loads(p.read_bytes())) for p in paths), key=lambda e: e.at)
