"""Memory that the loss adds at the LM head: ours, TRL's default path and all logits at once. Last line: one JSON object.

Each figure is one process's (`signal_memory_variants.py` says what is measured). Its malloc has one arena and gives
back what is freed, from 1 MiB at once, so that memory freed before does not hide what is needed later. All logits are
only made for fewer tokens, since at 8,192 they take over 10 GiB. Values and gradients are compared, too.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

GIB = 1 << 30
TOKENS, FEWER = 8_192, 1_024
RUNS = [("ours", TOKENS), ("trl", TOKENS), ("ours", FEWER), ("trl", FEWER), ("plain", FEWER), ("plain", 2 * FEWER)]
TARGET_GIB = 0.5
ROOM = 12 * GIB
"""Free memory that is asked for: weights, two copies of the head's gradient, and the plain way at 2,048 tokens."""
MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(1 << 20), "MALLOC_TRIM_THRESHOLD_": "0"}
ROOT = Path(__file__).parents[2]


def measure() -> dict[str, Any]:
    """GiB by variant and tokens: {"table", "ours", "peers", "ratio", "target", "met"}."""
    if (free := psutil.virtual_memory().available) < ROOM:
        raise SystemExit(f"{free / GIB:.1f} GiB of memory are free, this takes {ROOM // GIB}; end other programs first")
    found = {run: _run(*run) for run in RUNS}
    for tokens in (TOKENS, FEWER):
        _agree([result for (_, count), result in found.items() if count == tokens])
    gib = {run: result["bytes"] / GIB for run, result in found.items()}
    ours, trl = gib["ours", TOKENS], gib["trl", TOKENS]
    slope = (gib["plain", 2 * FEWER] - gib["plain", FEWER]) / FEWER
    table = [f"{'':<10}{'tokens':>8}{'GiB added':>12}{'CPU seconds':>14}"]
    table += [
        f"{name:<10}{tokens:>8,}{gib[name, tokens]:>12.2f}{result['seconds']:>14.0f}"
        for (name, tokens), result in found.items()
    ]
    table += [
        f"plain at {TOKENS:,} tokens, on the line through its two: {gib['plain', FEWER] + slope * (TOKENS - FEWER):.0f} GiB"
    ]
    return {
        "table": table,
        "ours": {"gib": ours, "gib-1024": gib["ours", FEWER]},
        "peers": {
            "trl": {"gib": trl, "gib-1024": gib["trl", FEWER]},
            "plain": {"gib-1024": gib["plain", FEWER], "gib-2048": gib["plain", 2 * FEWER]},
        },
        "ratio": {"trl": trl / ours, "plain-1024": gib["plain", FEWER] / gib["ours", FEWER]},
        "target": {"gib": TARGET_GIB, "trl": 1.0},
        "met": ours < TARGET_GIB and trl >= ours,
    }


def _run(variant: str, tokens: int) -> dict[str, float]:
    print(f"{variant}, {tokens:,} tokens ...", file=sys.stderr, flush=True)
    command = [sys.executable, str(Path(__file__).with_name("signal_memory_variants.py")), variant, str(tokens)]
    environment = os.environ | MALLOC | {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=3_600)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _agree(results: list[dict[str, float]]) -> None:
    """All ways compute the same: a saving that changed the loss or its gradients would be none."""
    for result in results[1:]:
        for key in ("loss", "hidden", "head"):
            if not math.isclose(result[key], results[0][key], rel_tol=1e-4):
                raise SystemExit(f"the variants differ in {key}: {[r[key] for r in results]}")


def main() -> None:
    """Prints the table and the figures for scripts."""
    figures = measure()
    print("\nGiB that the loss adds beyond the LM head's gradient: vocabulary 151,936, hidden 1,536, float32\n")
    print("\n".join(figures.pop("table")))
    print(json.dumps({"bench": "signal-memory", **figures}))


if __name__ == "__main__":
    main()
