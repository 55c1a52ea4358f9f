"""What mergekit's linear merge makes of given folders: a script for a process that has it (test_mergekit_oracle.py).

Usage: python mergekit_peer.py QUESTIONS, a JSON list of {"folders", "weights", "target"}.
"""

import json
import sys
from pathlib import Path

from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions


def merge(folders: list[str], weights: list[float], target: str) -> None:
    """Summed in float32, written in bfloat16."""
    models = [{"model": f, "parameters": {"weight": w}} for f, w in zip(folders, weights, strict=True)]
    settings = {"merge_method": "linear", "models": models, "dtype": "float32", "out_dtype": "bfloat16"}
    run_merge(MergeConfiguration.model_validate(settings), target, MergeOptions(quiet=True, write_model_card=False))


if __name__ == "__main__":
    for question in json.loads(Path(sys.argv[1]).read_text()):
        merge(**question)
