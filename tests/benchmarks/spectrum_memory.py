"""Memory that a step of SFT takes beyond model and optimiser: ours and TRL's SFTTrainer. Last line: one JSON object.

Each figure is one process's (`spectrum_memory_variants.py` says what is measured), with malloc as `signal_memory.py` sets it.
Losses and gradients are compared, too.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import psutil
from signal_memory import GIB, MALLOC, ROOT

VARIANTS = ("ours", "trl", "ours-float32", "trl-float32")
PAIRS = {"trl": "ours", "trl-float32": "ours-float32"}
"""TRL's -> ours with the same settings."""
TARGET = 1.0
ROOM = 14 * GIB
"""Free memory that is asked for: weights, gradient and both moments are 5 GB, a second gradient of the head 1, a step's own 3."""


def main() -> None:
    """Prints the table and the figures for scripts."""
    if (free := psutil.virtual_memory().available) < ROOM:
        raise SystemExit(f"{free / GIB:.1f} GiB of memory are free, this takes {ROOM // GIB}; end other programs first")
    found = {variant: _run(variant) for variant in VARIANTS}
    _agree(found)
    gib = {variant: result["bytes"] / GIB for variant, result in found.items()}
    print(
        "\nGiB that a step adds to model and AdamW: vocabulary 151,936, hidden 1,536, 2 layers, one sequence of 4,096 tokens\n"
    )
    print(f"{'':<14}{'GiB added':>10}{'ratio':>8}{'CPU seconds':>13}")
    for variant, result in found.items():
        ratio = f"{gib[variant] / gib[PAIRS[variant]]:.2f}" if variant in PAIRS else ""
        print(f"{variant:<14}{gib[variant]:>10.2f}{ratio:>8}{result['seconds']:>13.0f}")
    print(EXPLANATION)
    ratios = {peer: gib[peer] / gib[ours] for peer, ours in PAIRS.items()}
    figures = {
        "ours": {variant: gib[variant] for variant in PAIRS.values()},
        "peers": {variant: gib[variant] for variant in PAIRS},
        "ratio": ratios,
        "target": dict.fromkeys(ratios, TARGET),
    }
    print(json.dumps({"bench": "spectrum-memory", **figures, "met": all(r >= TARGET for r in ratios.values())}))


def _run(variant: str) -> dict[str, float]:
    print(f"{variant} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("spectrum_memory_variants.py")), variant]
    environment = os.environ | MALLOC | {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=3_600)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _agree(found: dict[str, dict[str, float]]) -> None:
    """Both compute the same: a saving that changed the loss or its gradient would be none."""
    for peer, ours in PAIRS.items():
        tolerance = 1e-3 if "float32" in peer else 2e-2
        for key in ("loss", "norm"):
            if not math.isclose(found[peer][key], found[ours][key], rel_tol=tolerance):
                raise SystemExit(f"{peer} and {ours} differ in {key}: {found[peer][key]} and {found[ours][key]}")


EXPLANATION = """
trl: its defaults, bfloat16 by autocast and each layer computed again; ours: so, too. float32: neither. ratio: TRL's over ours.
Gradients count: 1.2 GiB, and for a moment 0.9 each for the embedding's and the head's own, which are one weight's.
"""


if __name__ == "__main__":
    main()
