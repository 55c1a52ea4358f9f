"""Speed of our SFT beside TRL's SFTTrainer with packing. Last line: one JSON object."""

import os
import warnings

THREADS = 2
"""At most; `spectrum_sft_compare` takes fewer for the small model."""


def main() -> None:
    """Sets the threads before torch is there: those that spin while they wait would take the other trainer's cores."""
    if not os.environ.get("VIBETHINKER_DATA"):
        raise SystemExit(
            "VIBETHINKER_DATA is not set: give the folder with gsm8k_train.jsonl and hendrycks_math_test5000.jsonl"
        )
    os.environ |= {"OMP_NUM_THREADS": str(THREADS), "OMP_WAIT_POLICY": "passive", "TOKENIZERS_PARALLELISM": "false"}
    warnings.simplefilter("ignore")
    import spectrum_sft_compare  # not at the top: torch reads the threads when it is imported

    spectrum_sft_compare.measure()


if __name__ == "__main__":
    main()
