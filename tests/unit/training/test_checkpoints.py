"""Checkpoints hold what learns; a run under adapters that is cut into parts ends in the same bits."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from vibethinker.config.model import ScratchSettings
from vibethinker.config.sft import LoraSettings
from vibethinker.models.checkpoint import load_model, save_model
from vibethinker.models.logprobs import token_logprobs
from vibethinker.models.lora import add_lora, merged_state
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.training.checkpoints import State, finite, resume, save

SCRATCH = ScratchSettings(hidden_size=32, layers=1, heads=1, intermediate_size=32, max_length=64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    save_model(folder, tiny_model(SCRATCH, tiny_tokenizer(), 1), tiny_tokenizer())
    return folder


class Process:
    """What a new process has: the base from its folder, fresh adapters, a fresh optimiser; then the checkpoint's."""

    def __init__(self, folder: Path, scratch: Path, seed: int = 4) -> None:
        self.scratch = scratch
        self.model = load_model(folder, "cpu")
        add_lora(self.model, LoraSettings(rank=2, alpha=4), seed)
        self.optimiser = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], lr=1e-2)
        self.state = resume(self.model, self.optimiser, scratch)

    def train_to(self, step: int) -> None:
        while self.state.step < step:
            draw = torch.Generator().manual_seed(self.state.step)
            ids = torch.randint(0, 300, (2, 9), generator=draw)
            self.optimiser.zero_grad()
            (-token_logprobs(self.model, ids, torch.arange(9).expand(2, 9) > 3)[0].mean()).backward()
            self.optimiser.step()
            self.state.step += 1

    def save(self) -> None:
        save(self.model, self.optimiser, self.state, self.scratch)


def test_a_run_in_parts_ends_in_the_same_bits(folder: Path, tmp_path: Path) -> None:
    whole = Process(folder, tmp_path / "whole")
    whole.train_to(5)
    for step in (1, 3, 5):
        seed = 4 if step == 1 else 99  # what is learnt is all in the checkpoint
        part = Process(folder, tmp_path / "parts", seed)
        part.train_to(step)
        part.save()
    expected, found = merged_state(whole.model), merged_state(part.model)
    assert all(torch.equal(t, expected[n]) for n, t in found.items())
    assert not torch.equal(
        found["model.layers.0.mlp.up_proj.weight"],
        merged_state(load_model(folder, "cpu"))["model.layers.0.mlp.up_proj.weight"],
    )


def test_only_what_learns_is_written(folder: Path, tmp_path: Path) -> None:
    process = Process(folder, tmp_path)
    process.train_to(1)
    process.save()
    with safe_open(tmp_path / "checkpoint-1" / "weights.safetensors", framework="pt") as file:
        names = set(file.keys())
    assert names == {n for n, p in process.model.named_parameters() if p.requires_grad}
    assert all(".lora_" in name for name in names)


def test_a_whole_model_is_written_whole(tmp_path: Path) -> None:
    model: Any = tiny_model(SCRATCH, tiny_tokenizer(), 1)
    optimiser = torch.optim.AdamW(model.parameters())
    save(model, optimiser, State(0, []), tmp_path)
    expected = copy.deepcopy(model.state_dict())
    for parameter in model.parameters():
        parameter.data.zero_()
    resume(model, optimiser, tmp_path)
    assert all(torch.equal(t, expected[n]) for n, t in model.state_dict().items())


def test_a_weight_that_is_no_number_is_seen(folder: Path, tmp_path: Path) -> None:
    model = Process(folder, tmp_path).model
    assert finite(model)
    next(p for n, p in model.named_parameters() if "lora_B" in n).data[1, 1] = torch.nan
    assert not finite(model)
