"""One linear merge by mergekit, for a process that has it: python spectrum_fuse_mergekit.py TARGET MODEL... prints its seconds."""

import sys
import time

from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions


def main(target: str, *models: str) -> None:
    settings = {
        "merge_method": "linear",
        "models": [{"model": model, "parameters": {"weight": 1.0}} for model in models],
        "dtype": "float32",
        "out_dtype": "bfloat16",
    }
    start = time.perf_counter()
    run_merge(MergeConfiguration.model_validate(settings), target, MergeOptions(quiet=True, write_model_card=False))
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
