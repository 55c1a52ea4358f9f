"""Where the tensors of a model folder lie, from safetensors headers alone; and the headers of files to be written.

A file is 8 bytes with the header's length (little-endian), the header in JSON (name -> dtype, shape, offsets), and the
tensors one after the other, without gaps.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch

from vibethinker.errors import DataError

ONE_FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float64}
"""Those that can be averaged."""
NAMES = {dtype: name for name, dtype in DTYPES.items()}
LONGEST_HEADER = 100_000_000
"""Bytes; what readers of the format accept."""


@dataclass(frozen=True)
class Place:
    """Where a tensor lies."""

    file: Path
    start: int
    """First byte in the file."""
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes in the file."""
        return self.numel * self.dtype.itemsize


def read_places(folder: Path) -> dict[str, Place]:
    """Tensor -> place, of one file or of shards. DataError names the file or tensor that can't be used."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give a model's folder in Hugging Face layout")
    if (folder / ONE_FILE).exists():
        return _read_header(folder / ONE_FILE)
    if not (folder / INDEX).exists():
        raise DataError(f"{folder} has neither {ONE_FILE} nor {INDEX}; save the model there with safetensors")
    listed = _mapping(folder / INDEX, (folder / INDEX).read_bytes()).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise DataError(f"{folder / INDEX} has no weight_map; copy the model anew")
    shards = {name: _read_header(folder / str(name)) for name in sorted(set(listed.values()), key=str)}
    found: dict[str, Place] = {}
    for tensor, shard in listed.items():
        if tensor not in shards[shard]:
            raise DataError(
                f"{folder / INDEX} says that tensor {tensor} is in {shard}, but it isn't; copy the model anew"
            )
        found[tensor] = shards[shard][tensor]
    return found


def header_bytes(places: Mapping[str, tuple[torch.dtype, tuple[int, ...]]]) -> bytes:
    """What a file of these tensors, in this order, starts with; padded so that the tensors start at a multiple of 8."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (dtype, shape) in places.items():
        start, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [start, end]}
    text = orjson.dumps(header)
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _read_header(path: Path) -> dict[str, Place]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= min(size - 8, LONGEST_HEADER):
                raise DataError(f"{path} is no whole safetensors file ({size} bytes); copy the model anew")
            header = _mapping(path, file.read(length))
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}; copy the model anew") from error
    header.pop("__metadata__", None)
    return {name: _place(path, name, entry, 8 + length, size) for name, entry in header.items()}


def _place(path: Path, name: str, entry: Any, start: int, size: int) -> Place:
    try:
        dtype, shape, (first, last) = str(entry["dtype"]), tuple(map(int, entry["shape"])), entry["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: the header's entry of tensor {name} can't be read; copy the model anew") from error
    if dtype not in DTYPES:
        raise DataError(
            f"tensor {name} in {path} has the dtype {dtype}; only {', '.join(DTYPES)} can be averaged: save the model in one of them"
        )
    found = Place(path, start + first, DTYPES[dtype], shape)
    if first < 0 or last - first != found.bytes or start + last > size:
        raise DataError(f"{path} is cut short or its header is wrong at tensor {name}; copy the model anew")
    return found


def _mapping(path: Path, text: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path} can't be read: {error}; copy the model anew") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} holds a {type(found).__name__} instead of an object; copy the model anew")
    return found
