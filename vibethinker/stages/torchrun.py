"""A training stage in several processes of this machine, by torchrun's agent, which runs in the stage's own process.

The agent watches the processes and ends all when one fails. What it doesn't do is done here: SIGTERM goes on to every
process, so that each leaves with the checkpoint; and the stage ends with the exit code and the words of whichever
ended first for a reason of its own, not once for each.
"""

import logging
import os
import signal
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil
import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from vibethinker.errors import ConfigError
from vibethinker.runs.exit_codes import SEALED, exit_code
from vibethinker.runs.spec import StageSpec
from vibethinker.stages.ending import Ending
from vibethinker.stages.ranks import RankEnding, processes, read_endings

HOST = "127.0.0.1"
SHUTDOWN = 5
"""Seconds that the others have to leave when one has failed; they have nothing left to save."""


def run_processes(name: str, spec: StageSpec, path: Path) -> Ending:
    """Runs `python -m vibethinker.stages.rank NAME FILE` in each, and tells how the stage ended."""
    if (refusal := _too_few_gpus(spec)) is not None:
        return Ending(exit_code(refusal), f"{type(refusal).__name__}: {refusal}")
    os.environ["OMP_NUM_THREADS"] = str(max(1, spec.runtime.threads // processes(spec)))
    os.environ["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"] = str(SHUTDOWN)
    logging.disable(logging.ERROR)  # the agent's own, about what the processes tell better
    failures: dict[int, ProcessFailure] = {}
    with _forwarding():
        try:
            elastic_launch(_config(spec), sys.executable)("-m", "vibethinker.stages.rank", name, str(path))
        except ChildFailedError as error:
            failures = error.failures
    return ended(spec, read_endings(spec), failures)


def _config(spec: StageSpec) -> LaunchConfig:
    """One node, a free port, no restarts: the launcher starts the stage again if anyone does."""
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes(spec),
        run_id=f"{spec.node}-{spec.attempt}",
        rdzv_backend="c10d",
        rdzv_endpoint=f"{HOST}:0",
        local_addr=HOST,
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),  # they write to the stage's own log
        signals_to_handle="SIGQUIT",  # SIGTERM is ours
    )


@contextmanager
def _forwarding() -> Iterator[None]:
    """SIGTERM and SIGINT go on to the processes, as SIGTERM; what they started themselves is theirs to end."""

    def forward(number: int, frame: FrameType | None) -> None:
        for child in psutil.Process().children():
            child.terminate()

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ended(spec: StageSpec, endings: Sequence[RankEnding], failures: Mapping[int, ProcessFailure]) -> Ending:
    """Sealed if the first process sealed; else what ended first: a death without a word, or the earliest of what was told."""
    if any(e.rank == 0 and e.code == SEALED for e in endings):
        return Ending(SEALED)
    bad = [e for e in endings if e.code != SEALED]
    silent = {rank: f for rank, f in failures.items() if rank not in {e.rank for e in endings}}
    for rank, failure in silent.items():
        if not bad or not _by_agent(failure, failures.values()):
            return _died(f"process {rank} of {processes(spec)}", failure.exitcode)
    return Ending(bad[0].code, bad[0].said)


def _by_agent(failure: ProcessFailure, failures: Collection[ProcessFailure]) -> bool:
    """Whether the agent ended it because another had failed: first by SIGTERM, then by SIGKILL."""
    late = failure.timestamp - min(f.timestamp for f in failures) >= SHUTDOWN - 1
    return failure.exitcode == -signal.SIGTERM or (failure.exitcode == -signal.SIGKILL and late)


def _died(who: str, code: int) -> Ending:
    if code > 0:
        return Ending(code, f"{who} ended with exit code {code}")
    return Ending(128 - code, f"{who} was ended by {signal.Signals(-code).name}")


def _too_few_gpus(spec: StageSpec) -> ConfigError | None:
    wanted, found = processes(spec), torch.cuda.device_count()
    if spec.runtime.device == "cpu" or wanted <= found:
        return None
    return ConfigError(f"compute.processes is {wanted}, but this machine has {found} GPUs; set it to {found} or less")
