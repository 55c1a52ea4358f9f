"""Base: the model that the recipe starts from. A given one is copied into Hugging Face layout; the demonstration's is trained here."""

import torch

from vibethinker.config.model import ScratchSettings
from vibethinker.data.tables import read_problems
from vibethinker.models.checkpoint import save_model
from vibethinker.models.pretrained import fetch_model
from vibethinker.models.tiny import tiny_model, tiny_tokenizer
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import Work, open_work
from vibethinker.stages.setting import prepare_torch
from vibethinker.training.documents import tokenise
from vibethinker.training.loop import LoopSettings, train
from vibethinker.training.schedule import flat_then_linear
from vibethinker.training.sft import SftObjective

CHECKPOINT_EVERY = 200
"""Steps of base training between checkpoints."""
MICRO_BATCH_TOKENS = 1 << 15
"""Tokens of one forward and backward of base training."""


def run(spec: StageSpec) -> Manifest:
    """Seals model/."""
    with open_work(spec) as work:
        if spec.settings["source"] == "scratch":
            return work.seal(_train(spec, work))
        positions = spec.settings.get("positions", 0)
        parameters = fetch_model(spec.places["model"], spec.places["revision"], work.out / "model", positions)
        return work.seal({"parameters": parameters})


def _train(spec: StageSpec, work: Work) -> dict[str, float]:
    """A tiny model on the traces of all domains, mixed."""
    prepare_torch(spec)
    scratch = ScratchSettings.model_validate(spec.settings["scratch"])
    seed, chat = spec.settings["seed"], spec.settings["chat"]
    tokenizer = tiny_tokenizer()
    model = tiny_model(scratch, tokenizer, seed).eval()
    model.to(torch.device(spec.runtime.device))
    problems = read_problems(work.input("split") / "pretrain.parquet")
    rows, too_long = tokenise(problems, tokenizer, chat["prompt"], chat["system_prompt"], scratch.max_length)
    objective = SftObjective(model, rows, scratch.batch_size, MICRO_BATCH_TOKENS, seed)
    settings = LoopSettings(
        steps=scratch.steps,
        schedule=flat_then_linear(scratch.learning_rate, scratch.decay, scratch.steps),
        weight_decay=0.01,
        max_grad_norm=1.0,
        checkpoint_every=CHECKPOINT_EVERY,
        precision=spec.settings["precision"],
    )
    history = train(
        model, objective, settings, work.scratch, work.tracker, work.stop, lambda step, loss: {"loss": loss}, spec.node
    )
    save_model(work.out / "model", model, tokenizer)
    parameters = sum(p.numel() for p in model.parameters())
    return {"loss": history[-1]["loss"], "parameters": parameters, "rows": len(rows), "too_long": too_long}
