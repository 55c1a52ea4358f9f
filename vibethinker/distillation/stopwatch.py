"""How long a teacher took, over all attempts at its stage."""

import time
from pathlib import Path

_EVERY = 1.0


def seconds_kept(path: Path) -> float:
    """What a watch left there; 0 where none did."""
    return float(path.read_text()) if path.exists() else 0.0


class Stopwatch:
    """Runs from when it is made; a process that is killed loses at most the time since the last `look`."""

    def __init__(self, path: Path) -> None:
        """path: where the seconds of earlier attempts stand, and these are kept."""
        self._path = path
        self._before = seconds_kept(path)
        self._start = self._looked = time.monotonic()

    def look(self, at_once: bool = False) -> None:
        """Keeps the time; at most once a second, unless `at_once`."""
        if at_once or time.monotonic() - self._looked >= _EVERY:
            self._looked = time.monotonic()
            partial = self._path.with_name(f"{self._path.name}.partial")
            partial.write_text(str(self._before + self._looked - self._start))
            partial.replace(self._path)
