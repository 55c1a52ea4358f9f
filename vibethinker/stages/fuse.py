"""Fuse: M_merge = sum_i w_i M_i*, block by block from and to safetensors [A 3.3]."""

from pathlib import Path
from typing import Any

import orjson

from vibethinker.models.fuse import fuse_checkpoints
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import Work, open_work


def run(spec: StageSpec) -> Manifest:
    """Seals model/, with the configuration and tokenizer of the first expert, and fusion.json: {"weights", "tensors", "search"}.

    The weights are the settings', or searched on the probing sets where `search` is set.
    """
    weights: dict[str, float] = spec.settings["weights"]
    with open_work(spec) as work:
        experts: dict[str, Path] = {domain: work.input("experts") / "experts" / domain for domain in weights}
        search = _search(work, experts) if spec.settings.get("search") else None
        if search:
            weights = search["candidates"][search["chosen"]]["weights"]
        fused = fuse_checkpoints(
            list(experts.values()),
            list(weights.values()),
            work.out / "model",
            progress=lambda done, total: work.check(),
        )
        record = {"weights": weights, "tensors": fused.tensors, "search": search}
        (work.out / "fusion.json").write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2))
        bought = {"search/gain": search["held_out"]["difference"]["mean"]} if search else {}
        return work.seal({"tensors": fused.tensors, **{f"weight/{d}": w for d, w in weights.items()}, **bought})


def _search(work: Work, experts: dict[str, Path]) -> dict[str, Any]:
    from vibethinker.stages.weight_search import search_weights  # transformers takes seconds, and averaging needs none

    return search_weights(work, experts)
