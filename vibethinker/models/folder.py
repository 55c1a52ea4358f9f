"""Whether a folder can be a base model: seen from its small files and its weights' headers, without loading any."""

import json
from pathlib import Path
from typing import Any

from vibethinker.errors import ConfigError

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
"""Files of which a tokenizer needs at least one."""


def check_model_folder(folder: Path) -> None:
    """Raises ConfigError, naming the file and the mend, where config, weights, tokenizer or chat template can't be used."""
    if not (folder / "config.json").exists():
        raise ConfigError(f"base.source '{folder}' has no config.json: give a folder in Hugging Face layout")
    if not _mapping(folder / "config.json").get("model_type"):
        raise _unusable(folder / "config.json", "it names no model_type")
    _check_weights(folder)
    if not any((folder / name).exists() for name in TOKENIZERS):
        raise ConfigError(
            f"base.source '{folder}' has no tokenizer ({', '.join(TOKENIZERS)}): save the model's tokenizer there too"
        )
    if not _chat_template(folder):
        raise ConfigError(f"base.source '{folder}' has no chat template; give a model folder whose tokenizer has one")


def model_positions(folder: Path) -> int | None:
    """Tokens of the longest text that the model in a folder was made for, where its config says."""
    found = _mapping(folder / "config.json").get("max_position_embeddings")
    return found if isinstance(found, int) else None


def _check_weights(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    shards = set(_mapping(index).get("weight_map", {}).values()) if index.exists() else set()
    missing = sorted(name for name in shards if not (folder / name).exists())
    if missing:
        raise ConfigError(f"base.source '{folder}' lacks {missing[:3]}, which {index.name} names; copy the model anew")
    files = sorted(folder.glob("*.safetensors"))
    if not files and not any(folder.glob("pytorch_model*.bin")):
        raise ConfigError(f"base.source '{folder}' has no weights (*.safetensors): copy the model anew")
    for file in files:
        _check_safetensors(file)


def _check_safetensors(path: Path) -> None:
    """The format: 8 bytes with the header's length, the header in JSON with each tensor's offsets, then the tensors."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= size - 8:
                raise ValueError(f"it holds {size} bytes, less than its header")
            header = json.loads(file.read(length))
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        expected = 8 + length + max(ends, default=0)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _unusable(path, f"it is no safetensors file: {error}") from error
    if size != expected:
        raise _unusable(path, f"it holds {size} bytes, its header says {expected}")


def _chat_template(folder: Path) -> bool:
    settings = folder / "tokenizer_config.json"
    if settings.exists() and _mapping(settings).get("chat_template"):
        return True
    return any((folder / name).exists() for name in ("chat_template.jinja", "chat_template.json"))


def _mapping(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(values, dict):
        raise _unusable(path, f"it holds a {type(values).__name__} instead of an object")
    return values


def _unusable(path: Path, why: str) -> ConfigError:
    return ConfigError(f"base.source '{path.parent}': {path.name} can't be used: {why}; copy the model anew")
