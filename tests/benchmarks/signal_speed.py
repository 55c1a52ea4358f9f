"""Speed of our MGPO trainer beside TRL's GRPOTrainer. Last line: one JSON object."""

import os
import warnings

THREADS = 2
"""At most; `signal_speed_compare` takes fewer for the small model."""


def main() -> None:
    """Sets the threads before torch is there: those that spin while they wait would take the other trainer's cores."""
    os.environ |= {"OMP_NUM_THREADS": str(THREADS), "OMP_WAIT_POLICY": "passive", "TOKENIZERS_PARALLELISM": "false"}
    warnings.simplefilter("ignore")  # TRL has some for each module of vLLM's
    import signal_speed_compare  # not at the top: grading workers import this file again

    signal_speed_compare.measure()


if __name__ == "__main__":
    main()
