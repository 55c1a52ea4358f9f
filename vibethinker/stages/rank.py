"""`python -m vibethinker.stages.rank NAME FILE`: one of the processes of a training stage, as torchrun starts it."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from vibethinker.budget.holders import started
from vibethinker.runs.exit_codes import SEALED
from vibethinker.runs.spec import Runtime, StageSpec
from vibethinker.runs.supervisor import PR_SET_PDEATHSIG, prctl
from vibethinker.runs.work import RANK
from vibethinker.stages.ending import Ending, run_module
from vibethinker.stages.ranks import write_ending
from vibethinker.training.parallel import Helped, join, leave


def main(name: str, path: Path) -> int:
    """Runs the stage together with the others; how it ended is left for the process that started them."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # ends with the stage's own process, however that ends, supervised or not
    rank = int(os.environ["RANK"])
    os.environ[RANK] = str(rank)
    spec = StageSpec.read(path)
    runtime = spec.runtime.model_copy(update={"spent_seconds": _spent(spec.runtime)})
    spec = spec.model_copy(update={"runtime": runtime})
    join(spec.runtime.device)
    ending = Ending(SEALED)
    with suppress(Helped):
        ending = run_module(name, spec)
    write_ending(spec, rank, ending)  # before the others can learn that this one is gone
    if ending.code == SEALED:
        leave()
    return ending.code


def _spent(runtime: Runtime) -> float:
    """Seconds of earlier attempts, and those that this process's parent took to start it."""
    own, parent = started(os.getpid()), started(os.getppid())
    assert own is not None
    return runtime.spent_seconds + (own - (parent or own)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
