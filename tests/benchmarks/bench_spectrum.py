"""`make bench-spectrum`: SFT beside TRL's SFTTrainer, its memory, then fusion beside mergekit. Last line: one JSON object.

`--only sft|memory|fuse` runs one part.
"""

import argparse
import json
from pathlib import Path

from bench_signal import FIGURES, run_part

PARTS = ("sft", "memory", "fuse")


def main() -> None:
    """Each part in a process of its own: one sets threads, the others measure memory."""
    parser = argparse.ArgumentParser(description="Example: bench_spectrum.py --only fuse")
    parser.add_argument("--only", choices=PARTS, help="run one part")
    only = parser.parse_args().only
    chosen = (only,) if only else PARTS
    parts = {part: run_part(Path(__file__).with_name(f"spectrum_{part}.py")) for part in chosen}
    figures = {key: {name: part[key] for name, part in parts.items()} for key in FIGURES}
    figures["matmul_share"] = {name: part["matmul_share"] for name, part in parts.items() if "matmul_share" in part}
    print(json.dumps({"bench": "spectrum", **figures, "met": all(part["met"] for part in parts.values())}))


if __name__ == "__main__":
    main()
