"""`make bench-signal`: our MGPO steps beside TRL's, then the memory of the loss. Last line: one JSON object.

Not named signal.py, which every script of this folder would import in place of Python's own module.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PARTS = ("speed", "memory")
FIGURES = ("ours", "peers", "ratio", "target")


def main() -> None:
    """Each part in a process of its own: one sets threads, the other measures memory."""
    parts = {part: run_part(Path(__file__).with_name(f"signal_{part}.py")) for part in PARTS}
    figures = {key: {name: part[key] for name, part in parts.items()} for key in FIGURES}
    print(json.dumps({"bench": "signal", **figures, "met": all(part["met"] for part in parts.values())}))


def run_part(script: Path) -> dict[str, Any]:
    """Shows what the script prints, as it comes, but for its last line, which is returned."""
    last = ""
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            print(last, end="", flush=True)
            last = line
    if process.returncode:
        sys.exit(f"{last}{script.name} failed with exit code {process.returncode}")
    return dict(json.loads(last))


if __name__ == "__main__":
    main()
