"""How a stage's process ended: the exit code, and what its log says."""

import importlib
import sys
import traceback
from dataclasses import dataclass

from vibethinker.errors import VibeThinkerError
from vibethinker.runs.exhausted import exhausted
from vibethinker.runs.exit_codes import SEALED, exit_code
from vibethinker.runs.spec import StageSpec


@dataclass(frozen=True)
class Ending:
    """Exit code (vibethinker.runs.exit_codes) and a text for people, empty where all went well."""

    code: int
    said: str = ""


def run_module(name: str, spec: StageSpec) -> Ending:
    """Runs the stage; errors raised on purpose, and a full disk or memory, are one line, others a traceback."""
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # transformers would import it: a second a stage, for nothing we use
    module = importlib.import_module(f"vibethinker.stages.{name}")
    try:
        module.run(spec)
    except Exception as error:
        return Ending(exit_code(error), _words(error))
    return Ending(SEALED)


def _words(error: Exception) -> str:
    if isinstance(error, VibeThinkerError):
        return f"{type(error).__name__}: {error}"
    return exhausted(error) or "".join(traceback.format_exception(error)).rstrip()
