"""Small model folders to be fused, written and read by safetensors' own code."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

CONFIG = {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "hidden_size": 2, "dtype": "float32"}
INDEX = "model.safetensors.index.json"


def model(folder: Path, tensors: dict[str, Tensor], config: dict[str, Any] | None = None, shards: int = 1) -> Path:
    """The tensors, the last ones first, dealt out to files."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG | (config or {})))
    names = sorted(tensors, reverse=True)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return folder
    weight_map = {name: f"model-{i % shards + 1:05d}-of-{shards:05d}.safetensors" for i, name in enumerate(names)}
    for file in set(weight_map.values()):
        save_file({n: tensors[n] for n in names if weight_map[n] == file}, folder / file, metadata={"format": "pt"})
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def tokenizer(folder: Path, vocabulary: dict[str, int], added: dict[str, int] | None = None) -> Path:
    listed = [{"id": i, "content": token} for token, i in (added or {}).items()]
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}, "added_tokens": listed}))
    return folder


def weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder; where there are shards, those that the index names, in the file that it says."""
    if not (folder / INDEX).exists():
        return load_file(folder / "model.safetensors")
    named = json.loads((folder / INDEX).read_text())["weight_map"]
    files = {file: load_file(folder / file) for file in set(named.values())}
    assert sum(map(len, files.values())) == len(named)
    return {name: files[file][name] for name, file in named.items()}
