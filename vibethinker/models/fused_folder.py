"""The folder of a fused model: which file holds which tensor, and how it comes to stand whole in its place."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import torch

from vibethinker.errors import ConfigError
from vibethinker.models.alike import read_config
from vibethinker.models.shards import INDEX, ONE_FILE, Place, header_bytes

COPIED = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "chat_template*",
    "*.py",
)
"""What belongs to a model besides its weights."""
DTYPE_KEYS = ("dtype", "torch_dtype")
"""Of config.json: transformers 5's and the one before."""

Tensors = dict[str, tuple[torch.dtype, tuple[int, ...]]]
"""Tensor -> dtype and shape."""


@dataclass(frozen=True)
class Planned:
    """Files to be written; places name them relative to the folder."""

    headers: dict[Path, bytes]
    places: dict[str, Place]

    def size(self, file: Path) -> int:
        """Bytes of a file."""
        return max((p.start + p.bytes for p in self.places.values() if p.file == file), default=len(self.headers[file]))


def plan_files(tensors: Tensors, max_shard: int) -> Planned:
    """One file, or as many as `max_shard` bytes each ask for. tensors: in the order in which they are to lie."""
    shards = _cut(tensors, max_shard)
    headers: dict[Path, bytes] = {}
    places: dict[str, Place] = {}
    for number, shard in enumerate(shards, 1):
        single = len(shards) == 1
        file = Path(ONE_FILE if single else f"model-{number:05d}-of-{len(shards):05d}.safetensors")
        headers[file] = header_bytes(shard)
        start = len(headers[file])
        for name, (dtype, shape) in shard.items():
            places[name] = Place(file, start, dtype, shape)
            start += places[name].bytes
    return Planned(headers, places)


def _cut(tensors: Tensors, max_shard: int) -> list[Tensors]:
    """Wider dtypes first in each, so that every value is aligned."""
    shards: list[Tensors] = [{}]
    size = 0
    for name, (dtype, shape) in tensors.items():
        bytes_ = Place(Path(), 0, dtype, shape).bytes
        if shards[-1] and size + bytes_ > max_shard:
            shards.append({})
            size = 0
        shards[-1][name] = (dtype, shape)
        size += bytes_
    return [dict(sorted(shard.items(), key=lambda item: -item[1][0].itemsize)) for shard in shards]


@contextmanager
def new_folder(target: Path, size: int) -> Iterator[Path]:
    """A folder beside the target to write in; renamed to it at the end of the block, or removed where that fails.

    After a kill it stays, under a name that no one takes for a model, until the next attempt at the same target. Raises
    ConfigError where the target exists, another process is writing it, or the disk has less than `size` bytes free.
    """
    if target.exists() or target.is_symlink():
        raise ConfigError(f"{target} exists; name a folder that does not")
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{target} can't be made: {error.strerror}; name a folder that can") from error
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        _lock(descriptor, target)
        try:
            _empty(partial)
            if (free := shutil.disk_usage(partial).free) < size:
                raise ConfigError(f"{target} needs {size:,} bytes, {free:,} are free; free space, or name another disk")
            yield partial
            _flush(partial)
            partial.rename(target)
            _sync(target.parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    finally:
        os.close(descriptor)


def open_files(folder: Path, planned: Planned, stack: ExitStack) -> dict[Path, int]:
    """File -> descriptor of a new file of its final size with the header in it; closed with the stack."""
    found = {}
    for file, header in planned.headers.items():
        found[file] = os.open(folder / file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        stack.callback(os.close, found[file])
        os.ftruncate(found[file], planned.size(file))
        os.pwrite(found[file], header, 0)
    return found


def write_index(folder: Path, planned: Planned) -> None:
    """Says which shard holds which tensor, where there are several."""
    if len(planned.headers) == 1:
        return
    places = planned.places
    totals = {
        "total_parameters": sum(place.numel for place in places.values()),
        "total_size": sum(place.bytes for place in places.values()),
    }
    index = {"metadata": totals, "weight_map": {name: str(places[name].file) for name in sorted(places)}}
    (folder / INDEX).write_bytes(orjson.dumps(index, option=orjson.OPT_INDENT_2))


def copy_small_files(source: Path, folder: Path, dtype: torch.dtype | None) -> None:
    """Configuration, tokenizer and chat template; the configuration says the dtype where that is another than before."""
    for name in sorted({path.name for pattern in COPIED for path in source.glob(pattern) if path.is_file()}):
        shutil.copyfile(source / name, folder / name)
    if dtype is not None:
        config = read_config(source)
        changed = dict.fromkeys([key for key in DTYPE_KEYS if key in config] or DTYPE_KEYS[:1], _word(dtype))
        (folder / "config.json").write_bytes(orjson.dumps(config | changed, option=orjson.OPT_INDENT_2))


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _lock(descriptor: int, target: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ConfigError(f"another process is writing {target}; wait for it, or name another folder") from error


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink() if not path.is_dir() else shutil.rmtree(path)


def _flush(folder: Path) -> None:
    """To the disk: the small files of a new folder, and its list of names; weights are flushed by who wrote them."""
    for path in folder.iterdir():
        if path.suffix != ".safetensors":
            _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
