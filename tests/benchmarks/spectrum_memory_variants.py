"""One way to take a step of SFT, in a process of its own: what it adds to the memory.

A first step, on a few tokens, makes the optimiser's state. Measured is the highest resident size of the second less the size
before it, without gradients: so libraries, model and optimiser don't count, and everything else does.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from signal_memory_variants import HIDDEN, LAYERS, VOCABULARY, reset_peak, status
from transformers import Qwen2Config, Qwen2ForCausalLM

from vibethinker.training.documents import Document

LENGTH, FEW = 4_096, 64
RATE = 1e-5


class Done(Exception):
    """Both steps have been taken."""


class Meter:
    """To be called before the first step and after each; raises Done after the second."""

    def __init__(self, model: Qwen2ForCausalLM) -> None:
        self._model, self._calls = model, 0
        self.added = 0
        self.seconds = 0.0

    def __call__(self) -> bool:
        self._calls += 1
        if self._calls == 2:
            self._model.zero_grad(set_to_none=True)
            self._before, self._began = reset_peak(), time.process_time()
        if self._calls == 3:
            self.added, self.seconds = status("VmHWM") - self._before, time.process_time() - self._began
            raise Done
        return False


Take = Callable[[Qwen2ForCausalLM, list[Document], bool, Meter, Path], tuple[float, float]]
"""Takes a step on each document; whether as TRL's defaults have it. Returns the second's loss and gradient's norm."""


def ours(
    model: Qwen2ForCausalLM, documents: list[Document], defaults: bool, meter: Meter, folder: Path
) -> tuple[float, float]:
    """The trainer's own loop."""
    from vibethinker.tracking.local import LocalTracker, read_events
    from vibethinker.training.loop import LoopSettings, train
    from vibethinker.training.schedule import constant
    from vibethinker.training.sft import SftObjective, epoch_order

    in_order = [documents[i] for i in epoch_order(len(documents), 0, 0).argsort()]
    objective = SftObjective(model, in_order, 1, LENGTH, seed=0)
    settings = LoopSettings(
        3, constant(RATE), 0.0, 1.0, 3, "bfloat16" if defaults else "float32", gradient_checkpointing=defaults
    )
    with LocalTracker(folder / "events.jsonl") as tracker, suppress(Done):
        train(model, objective, settings, folder, tracker, meter, lambda *_: {}, "sft")
    last = [event["values"] for event in read_events(folder / "events.jsonl") if event["kind"] == "metrics"][-1]
    return last["loss"], last["grad_norm"]


def trl(
    model: Qwen2ForCausalLM, documents: list[Document], defaults: bool, meter: Meter, folder: Path
) -> tuple[float, float]:
    """SFTTrainer with packing, one pack a step."""
    from datasets import Dataset
    from spectrum_sft_trl import rows, sft_config
    from transformers import TrainerCallback
    from trl import SFTTrainer

    from vibethinker.models.tiny import tiny_tokenizer

    class Measured(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            meter()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 1:
                meter()

        def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 2:
                meter()

    own: dict[str, Any] = {} if defaults else {"bf16": False, "gradient_checkpointing": False}
    fixed = {"max_length": LENGTH, "per_device_train_batch_size": 1, "learning_rate": RATE, "logging_steps": 1}
    trainer = SFTTrainer(
        model,
        args=sft_config(str(folder), **fixed, **own),
        train_dataset=Dataset.from_list(rows(documents)),
        processing_class=tiny_tokenizer(),
        callbacks=[Measured()],
    )
    packed = trainer.train_dataset
    assert isinstance(packed, Dataset)
    trainer.train_dataset = packed.select(sorted(range(len(packed)), key=lambda i: len(packed[i]["input_ids"])))
    with suppress(Done):
        trainer.train()
    last = [log for log in trainer.state.log_history if "grad_norm" in log][-1]
    return last["loss"], last["grad_norm"]


def main() -> None:
    """Argument: `ours` or `trl`, or either with -float32. Prints {"bytes", "seconds" of CPU, "loss", "norm" of the gradient}."""
    torch.manual_seed(0)
    torch.set_num_threads(2)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        intermediate_size=8_960,
        num_attention_heads=12,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    model = Qwen2ForCausalLM(config).eval()
    take: Take = {"ours": ours, "trl": trl}[sys.argv[1].split("-")[0]]
    meter = Meter(model)
    with tempfile.TemporaryDirectory() as folder:
        loss, norm = take(model, [_document(FEW), _document(LENGTH)], "float32" not in sys.argv[1], meter, Path(folder))
    print(json.dumps({"bytes": meter.added, "seconds": meter.seconds, "loss": loss, "norm": norm}))


def _document(length: int) -> Document:
    """Random tokens; all but the first are learnt."""
    ids = torch.randint(VOCABULARY, (length,), generator=torch.Generator().manual_seed(length))
    return Document(tuple(ids.tolist()), (False,) + (True,) * (length - 1))


if __name__ == "__main__":
    main()
