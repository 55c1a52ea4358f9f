"""A tiny model that knows how an answer looks, and problems that it solves about once in four."""

from pathlib import Path
from typing import Any

from vibethinker.config.model import ScratchSettings
from vibethinker.models.tiny import tiny_model
from vibethinker.records import Problem
from vibethinker.tracking.local import LocalTracker
from vibethinker.training.documents import tokenise
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.schedule import constant
from vibethinker.training.sft import SftObjective

SCRATCH = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=64)


def warm_problems() -> list[Problem]:
    """Twelve equations."""
    return [
        Problem(
            id=f"t/{a}",
            domain="algebra",
            question=f"Solve {a}x = {a * (1 + a % 4)} for x.",
            verifier="maths",
            answer=str(1 + a % 4),
            traces=(f"\\boxed{{{1 + a % 4}}}", f"{a * (1 + a % 4)}/{a} \\boxed{{{1 + a % 4}}}"),
            source="t",
        )
        for a in range(2, 14)
    ]


def warm_model(tokenizer: Any, problems: list[Problem], folder: Path) -> Any:
    """Trained just enough that most responses end in a box."""
    model = tiny_model(SCRATCH, tokenizer, 1).eval()
    rows, _ = tokenise(problems, tokenizer, {}, "", 64)
    objective = SftObjective(model, rows, 24, 4096, 0)
    settings = LoopSettings(60, constant(1e-2), 0.0, 1.0, 1000, "float32")
    with LocalTracker(folder / "events.jsonl") as tracker:
        train(model, objective, settings, folder, tracker, lambda: False, lambda step, loss: {}, "warm")
    return model
