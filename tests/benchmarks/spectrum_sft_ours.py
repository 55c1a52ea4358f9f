"""Our SFT steps, by the trainer's own loop."""

import copy
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spectrum_sft_setting import MAX_LENGTH, PACKS, Run, Setting
from transformers import PreTrainedModel

from vibethinker.errors import Preempted
from vibethinker.tracking.local import LocalTracker, read_events
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.schedule import constant
from vibethinker.training.sft import SftObjective

MANY = 10_000
"""Steps, more than are taken: nothing is saved in those that are."""


class Ours:
    """Our trainer; the loss of each step once it has run."""

    def __init__(self, setting: Setting) -> None:
        self.model: PreTrainedModel = copy.deepcopy(setting.model)
        self.losses: list[float] = []
        self._setting = setting

    @contextmanager
    def ready(self) -> Iterator[Run]:
        """Everything but the steps, which may be taken in another thread."""
        objective = sft_objective(self.model, self._setting)
        settings = LoopSettings(MANY, constant(self._setting.learning_rate), 0.0, 1.0, MANY, "float32")
        with tempfile.TemporaryDirectory() as name, LocalTracker(Path(name) / "events.jsonl") as tracker:

            def run(more: Callable[[], bool]) -> None:
                with suppress(Preempted):
                    train(
                        self.model, objective, settings, Path(name), tracker, lambda: not more(), lambda *_: {}, "sft"
                    )
                events = read_events(Path(name) / "events.jsonl")
                self.losses = [event["values"]["loss"] for event in events if event["kind"] == "metrics"]

            yield run


def sft_objective(model: PreTrainedModel, setting: Setting) -> SftObjective:
    """All that the benchmark knows of how the trainer is put together: each step takes all documents."""
    return SftObjective(model, setting.documents, len(setting.documents), PACKS * MAX_LENGTH, seed=1)
