"""The launcher's end of a supervisor."""

import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from vibethinker.runs import supervisor


class Supervised:
    """A process tree under its supervisor, which may run until a moment on `time.monotonic()`'s clock."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        held: Sequence[int],
        grace: float,
        until: float,
    ) -> None:
        """held: file descriptors that the supervisor keeps open until all is gone; grace: seconds to leave when told to."""
        reader, self._pipe = os.pipe()
        arguments = [str(os.getpid()), str(reader), str(grace), *command]
        try:
            self.extend(until)
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", supervisor.__file__, *arguments],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(reader, *held),
                    start_new_session=True,  # Ctrl-C in the terminal is for the launcher, which then stops the stage
                )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(reader)

    def extend(self, until: float) -> None:
        """It may run until this moment; one that has passed tells it to stop."""
        try:
            os.write(self._pipe, supervisor.MOMENT.pack(until))
        except BrokenPipeError:
            return  # the supervisor has ended, which `wait` tells

    def stop(self) -> None:
        """Tells it to checkpoint and leave; after the grace period it is killed."""
        self.extend(-math.inf)

    def wait(self, seconds: float) -> int | None:
        """The exit status once nothing of it is left, else None; negative: the supervisor was killed."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Stops it if it still runs, and waits until nothing of it is left."""
        self.stop()
        try:
            self._process.wait()
        finally:
            os.close(self._pipe)
