"""TRL's GRPOTrainer on the same model, prompts and rewards, with its own generation."""

import copy
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from datasets import Dataset
from signal_speed_ours import Run
from signal_speed_setting import GROUP, LEARNING_RATE, PROMPTS, WINDOW, Grades, Setting, equal_share
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

MANY = 10_000


@dataclass
class Theirs:
    """TRL's trainer; of each step, mean response length and share of groups with equal rewards."""

    setting: Setting
    grades: Grades
    lengths: list[float] = field(default_factory=list)
    equal: list[float] = field(default_factory=list)

    @contextmanager
    def ready(self) -> Iterator[Run]:
        """Everything but the steps, which may be taken in another thread."""
        with tempfile.TemporaryDirectory() as folder:
            trainer = GRPOTrainer(
                model=copy.deepcopy(self.setting.model),
                reward_funcs=self._rewards,
                args=_config(folder),
                train_dataset=Dataset.from_list(self._rows()),
                processing_class=copy.deepcopy(self.setting.tokenizer),
            )
            trainer.remove_callback(PrinterCallback)

            def run(more: Callable[[], bool]) -> None:
                trainer.add_callback(Stepwise(more))
                trainer.train()

            yield run

    def _rows(self) -> list[dict[str, Any]]:
        """Prompts as text, which TRL makes the very same tokens of."""
        tokenizer: Any = self.setting.tokenizer
        rows = [{"prompt": tokenizer.decode(p.token_ids), "place": i} for i, p in enumerate(self.setting.prompts)]
        for row, prompt in zip(rows, self.setting.prompts, strict=True):
            assert tuple(tokenizer(row["prompt"])["input_ids"]) == prompt.token_ids
        return rows

    def _rewards(
        self, completions: list[str], completion_ids: list[list[int]], place: list[int], **_: Any
    ) -> list[float]:
        for i, completion in zip(place, completions, strict=True):
            self.grades.submit(self.setting.problems[i], completion)
            self.grades.poll()
        rewards = [float(verdict.status == "correct") for verdict in self.grades.finish()]
        self.lengths.append(sum(map(len, completion_ids)) / len(completion_ids))
        self.equal.append(equal_share(rewards))
        return rewards


class Stepwise(TrainerCallback):
    """Asks before each step whether there is one more."""

    def __init__(self, more: Callable[[], bool]) -> None:
        self._more = more

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._more()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_training_stop = not self._more()


def _config(folder: str) -> GRPOConfig:
    """What the comparison fixes; everything else is TRL's default. Without recomputation, which is on by default and
    slower, and in float32, as ours."""
    return GRPOConfig(
        output_dir=folder,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        loss_type="grpo",
        beta=0.0,
        temperature=1.0,
        num_generations=GROUP,
        per_device_train_batch_size=PROMPTS * GROUP,
        max_completion_length=WINDOW,
        learning_rate=LEARNING_RATE,
        max_steps=MANY,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        logging_steps=MANY,
    )
