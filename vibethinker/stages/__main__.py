"""`python -m vibethinker.stages NAME --spec FILE`: one stage in a process of its own. Exit codes: vibethinker.runs.exit_codes."""

import importlib
import sys
import traceback
from pathlib import Path

from pydantic import ValidationError

from vibethinker.errors import VibeThinkerError
from vibethinker.runs.exhausted import exhausted
from vibethinker.runs.exit_codes import SEALED, exit_code
from vibethinker.runs.spec import StageSpec
from vibethinker.stages.recipe import VERSIONS


def main(arguments: list[str]) -> int:
    """Runs the stage; errors raised on purpose, and a full disk or memory, are one line, others a traceback."""
    match arguments:
        case [name, "--spec", path] if name in VERSIONS:
            pass
        case _:
            print(f"usage: python -m vibethinker.stages {{{','.join(VERSIONS)}}} --spec FILE", file=sys.stderr)
            return 2
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # transformers would import it: a second a stage, for nothing we use
    module = importlib.import_module(f"vibethinker.stages.{name}")
    try:
        spec = StageSpec.read(Path(path))
    except (OSError, ValidationError) as error:
        print(f"--spec {path!r} can't be read: {error}; give the spec.json that a run wrote", file=sys.stderr)
        return 2
    try:
        module.run(spec)
    except VibeThinkerError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return exit_code(error)
    except Exception as error:
        if (said := exhausted(error)) is None:
            traceback.print_exc()
        else:
            print(said, file=sys.stderr)
        return exit_code(error)
    return SEALED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
