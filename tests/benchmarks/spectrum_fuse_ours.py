"""One fusion of ours: python spectrum_fuse_ours.py TARGET MODEL... prints its seconds."""

import sys
import time
from pathlib import Path

from vibethinker.models.fuse import fuse_checkpoints


def main(target: str, *models: str) -> None:
    start = time.perf_counter()
    fuse_checkpoints([Path(model) for model in models], [1.0] * len(models), Path(target))
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
