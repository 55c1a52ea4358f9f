"""TRL's SFTTrainer with packing on, on the same model and documents."""

import copy
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from datasets import Dataset
from signal_speed_trl import Stepwise
from spectrum_sft_setting import MAX_LENGTH, PACKS, Run, Setting
from transformers import PreTrainedModel, PrinterCallback
from trl import SFTConfig, SFTTrainer

from vibethinker.training.documents import Document

MANY = 10_000
REPEATS = 500
"""Copies of a step's packs in a row: more steps than are taken, without the end of an epoch between them."""


class Theirs:
    """TRL's trainer; the mean loss of its steps once it has run."""

    def __init__(self, setting: Setting, defaults: bool) -> None:
        """defaults: with bfloat16 and each layer computed again, as TRL has it; else in float32 and without, as ours."""
        self.model: PreTrainedModel = copy.deepcopy(setting.model)
        self.losses: list[float] = []
        self._setting, self._own = setting, {} if defaults else {"bf16": False, "gradient_checkpointing": False}

    @contextmanager
    def ready(self) -> Iterator[Run]:
        """Everything but the steps, which may be taken in another thread."""
        with tempfile.TemporaryDirectory() as folder:
            trainer = SFTTrainer(
                model=self.model,
                args=sft_config(folder, learning_rate=self._setting.learning_rate, **self._own),
                train_dataset=Dataset.from_list(rows(self._setting.documents)),
                processing_class=copy.deepcopy(self._setting.tokenizer),
            )
            trainer.remove_callback(PrinterCallback)
            _repeat(trainer)

            def run(more: Callable[[], bool]) -> None:
                trainer.add_callback(Stepwise(more))
                self.losses = [trainer.train().training_loss]
                self.model.eval()

            yield run


def rows(documents: Sequence[Document]) -> list[dict[str, list[int]]]:
    """Tokens and labels, which TRL takes as they are."""
    return [
        {
            "input_ids": list(d.token_ids),
            "labels": [i if wanted else -100 for i, wanted in zip(d.token_ids, d.learnt, strict=True)],
        }
        for d in documents
    ]


def sft_config(folder: str, **others: Any) -> SFTConfig:
    """What the comparison fixes; everything else is TRL's default, its fused AdamW among it."""
    fixed = {
        "use_cpu": True,
        "packing": True,
        "max_length": MAX_LENGTH,
        "per_device_train_batch_size": PACKS,
        "train_sampling_strategy": "sequential",
        "lr_scheduler_type": "constant",
        "adam_beta2": 0.95,
        "max_steps": MANY,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
    }
    return SFTConfig(folder, **(fixed | others))


def _repeat(trainer: SFTTrainer) -> None:
    """Every step takes all packs, as TRL has made them."""
    packed = trainer.train_dataset
    assert isinstance(packed, Dataset)
    if len(packed) != PACKS:
        raise SystemExit(f"TRL has made {len(packed)} packs of the step's documents instead of {PACKS}")
    trainer.train_dataset = packed.select(list(range(PACKS)) * REPEATS)
