"""SFT of a tiny model from its first weights, for tests that run the loop in processes of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vibethinker.config.model import ScratchSettings
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.tracking.local import LocalTracker
from vibethinker.training.batching import Batch
from vibethinker.training.documents import Document
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.schedule import cosine
from vibethinker.training.sft import SftObjective

SCRATCH = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=64)


def settings(steps: int) -> LoopSettings:
    return LoopSettings(steps, cosine(1e-2, 1e-4, 0.2, steps), 0.01, 1.0, 2, "float32")


class Lab:
    """The same model and data every time. Five rows a step make two or three micro-batches, of lengths that differ much."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.tokenizer = tiny_tokenizer()
        draw = torch.Generator().manual_seed(5)
        lengths = torch.randint(3, 30, (24,), generator=draw).tolist()
        ids = [torch.randint(5, 60, (n + 4,), generator=draw).tolist() for n in lengths]
        self.rows = [Document(tuple(row), (False,) * 4 + (True,) * (len(row) - 4)) for row in ids]

    def model(self) -> Any:
        return tiny_model(SCRATCH, self.tokenizer, 1).eval()

    def objective(self, model: Any, budget: int = 50) -> "Objective":
        return Objective(model, self.rows, 5, budget, seed=3)

    def train(
        self,
        scratch: Path,
        steps: int = 6,
        stop: Callable[[], bool] = lambda: False,
        change: Callable[["Objective"], None] = lambda objective: None,
        on_checkpoint: Callable[[int, float], dict[str, Any]] = lambda step, loss: {"step": step, "loss": loss},
    ) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
        model = self.model()
        objective = self.objective(model)
        change(objective)
        scratch.mkdir(parents=True, exist_ok=True)
        with LocalTracker(scratch / "events.jsonl") as tracker:
            history = train(model, objective, settings(steps), scratch, tracker, stop, on_checkpoint, "sft")
        return dict(model.named_parameters()), history


def train_and_keep(folder: Path, steps: int) -> None:
    """For a process that may be killed at any moment: what was reached lies in folder/end.pt, written last."""
    weights, history = Lab().train(folder, steps)
    torch.save((weights, history), folder / "end.partial")
    (folder / "end.partial").rename(folder / "end.pt")


class Objective(SftObjective):
    """SFT in which the loss of one micro-batch can be made to go wrong."""

    wrong: tuple[int, int, float] | None = None
    """Step, micro-batch, and what its loss is multiplied with."""

    def batches(self, step: int) -> list[Batch]:
        self.step, self.all = step, super().batches(step)
        return self.all

    def loss(self, batch: Batch) -> Tensor:
        loss = super().loss(batch)
        if self.wrong is None or self.step != self.wrong[0]:
            return loss
        return loss * self.wrong[2] if torch.equal(batch.input_ids, self.all[self.wrong[1]].input_ids) else loss
