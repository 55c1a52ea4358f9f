"""Whether models can be averaged: seen from their configurations, tokenizers and headers, before anything is written."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from vibethinker.errors import DataError
from vibethinker.models.shards import Place

SAME = (
    "architectures",
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "vocab_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "tie_word_embeddings",
)
"""Settings that must not differ; shapes alone do not tell heads apart."""
HEAD = "lm_head.weight"
"""May be left out where the configuration ties it to the embeddings."""

Places = Mapping[str, Place]
logger = logging.getLogger(__name__)


def common_tensors(folders: Sequence[Path], places: Sequence[Places]) -> list[str]:
    """The names that all models have, in the order in which the first one's lie in its files.

    Raises DataError, naming setting, token or tensor, where the models differ in architecture, vocabulary, names or shapes.
    """
    configs = [read_config(folder) for folder in folders]
    for folder, config in zip(folders[1:], configs[1:], strict=True):
        _check_config(folders[0], configs[0], folder, config)
        _check_vocabulary(folders[0], folder)
    dropped = _tied_head(places, configs)
    names = set(places[0]) - dropped
    for folder, theirs in zip(folders[1:], places[1:], strict=True):
        _check_names(folders[0], names, folder, set(theirs) - dropped)
        _check_shapes(folders[0], places[0], folder, theirs, names)
    first = places[0]
    return sorted(names, key=lambda name: (first[name].file.name, first[name].start))


def read_config(folder: Path) -> dict[str, Any]:
    """A model's config.json. Raises DataError where there is none."""
    path = folder / "config.json"
    if not path.is_file():
        raise DataError(f"{folder} has no config.json; give the folder of a model in Hugging Face layout")
    return _read_json(path)


def _check_config(first: Path, expected: Mapping[str, Any], folder: Path, found: Mapping[str, Any]) -> None:
    for key in SAME:
        if None not in (expected.get(key), found.get(key)) and expected[key] != found[key]:
            raise DataError(
                f"{key} is {expected[key]!r} in {first} and {found[key]!r} in {folder}; fuse models of one architecture"
            )
    bases = [_rotary_base(config) for config in (expected, found)]
    if bases[0] != bases[1]:
        logger.warning("rope_theta is %s in %s and %s in %s; the first is kept", bases[0], first, bases[1], folder)


def _rotary_base(config: Mapping[str, Any]) -> Any:
    """transformers 5 moved it."""
    moved = config.get("rope_parameters")
    return config.get("rope_theta", moved.get("rope_theta") if isinstance(moved, dict) else None)


def _check_vocabulary(first: Path, folder: Path) -> None:
    """Embeddings of different tokens must not be averaged. A folder without tokenizer.json says nothing of its tokens."""
    paths = [first / "tokenizer.json", folder / "tokenizer.json"]
    if not all(path.is_file() for path in paths) or _digest(paths[0]) == _digest(paths[1]):
        return
    ours, theirs = (_vocabulary(path) for path in paths)
    different = sorted(token for token, _ in ours.items() ^ theirs.items())
    if different:
        token = different[0]
        raise DataError(
            f"the vocabularies of {first} and {folder} differ in {len(set(different))} tokens: {token!r} has the id "
            f"{ours.get(token, 'none')} in the first and {theirs.get(token, 'none')} in the other; fuse models of one tokenizer"
        )


def _vocabulary(path: Path) -> dict[str, int]:
    """Token -> id, added ones too."""
    tokenizer = _read_json(path)
    try:
        listed = tokenizer["model"]["vocab"]
        known = dict(listed) if isinstance(listed, dict) else {token: i for i, (token, _) in enumerate(listed)}
        return known | {token["content"]: token["id"] for token in tokenizer.get("added_tokens", ())}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} lists no vocabulary; save the tokenizer anew") from error


def _tied_head(places: Sequence[Places], configs: Sequence[Mapping[str, Any]]) -> set[str]:
    """The head, where some model leaves it out and all say that it is tied: then no model needs it."""
    tied = all(config.get("tie_word_embeddings") is True for config in configs)
    return {HEAD} if tied and any(HEAD not in theirs for theirs in places) else set()


def _check_names(first: Path, expected: set[str], folder: Path, found: set[str]) -> None:
    if not (different := sorted(expected ^ found)):
        return
    name = different[0]
    lacking, having = (folder, first) if name in expected else (first, folder)
    mend = "save it there, or tie_word_embeddings in both" if name == HEAD else "fuse models of one architecture"
    raise DataError(f"{lacking} lacks the tensor {name} that {having} has ({len(different)} names differ); {mend}")


def _check_shapes(first: Path, expected: Places, folder: Path, found: Places, names: set[str]) -> None:
    for name in sorted(names):
        if expected[name].shape != found[name].shape:
            raise DataError(
                f"tensor {name} has the shape {list(expected[name].shape)} in {first} and {list(found[name].shape)} in "
                f"{folder}; fuse models of one architecture"
            )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise DataError(f"{path} can't be read: {error}; copy the model anew") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} holds a {type(found).__name__} instead of an object; copy the model anew")
    return found


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
