"""`python -m vibethinker.stages NAME --spec FILE`: one stage in a process of its own. Exit codes: vibethinker.runs.exit_codes."""

import sys
from pathlib import Path

from pydantic import ValidationError

from vibethinker.runs.spec import StageSpec
from vibethinker.stages.ending import run_module
from vibethinker.stages.ranks import processes
from vibethinker.stages.recipe import VERSIONS


def main(arguments: list[str]) -> int:
    """Runs the stage, a training stage in as many processes as its spec says."""
    match arguments:
        case [name, "--spec", path] if name in VERSIONS:
            pass
        case _:
            print(f"usage: python -m vibethinker.stages {{{','.join(VERSIONS)}}} --spec FILE", file=sys.stderr)
            return 2
    try:
        spec = StageSpec.read(Path(path))
    except (OSError, ValidationError) as error:
        print(f"--spec {path!r} can't be read: {error}; give the spec.json that a run wrote", file=sys.stderr)
        return 2
    if processes(spec) > 1:
        from vibethinker.stages.torchrun import run_processes  # torch, which other stages may not need

        ending = run_processes(name, spec, Path(path))
    else:
        ending = run_module(name, spec)
    if ending.said:
        print(ending.said, file=sys.stderr)
    return ending.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
