"""Fusion of checkpoints on disk [A 3.3]: block by block from and to safetensors, so that memory does not grow with the model.

Blocks fit a core's second-level cache, where the arithmetic is done on them; files are read and written, not mapped,
so what is held is a few blocks a thread.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vibethinker.algorithms.fusion import linear_average
from vibethinker.errors import ConfigError, DataError
from vibethinker.models.alike import common_tensors
from vibethinker.models.fused_folder import Planned, copy_small_files, new_folder, open_files, plan_files, write_index
from vibethinker.models.shards import Place, read_places

BLOCK = 1 << 17
"""Values a block: 1.5 MB with input, output (in 16 bits) and the two in float32."""
BLOCKS = 64
"""Blocks that a thread does one after the other."""
MAX_SHARD = 5_000_000_000
"""Bytes of a file, unless one tensor is larger."""
THREADS = 8
"""More wait for the disk."""

Progress = Callable[[int, int], None]
"""(written, all) bytes; called from the caller's thread."""


@dataclass(frozen=True)
class Fused:
    """What was written."""

    tensors: int
    parameters: int
    bytes: int
    files: int


@dataclass(frozen=True)
class _Job:
    """What each block needs."""

    folders: Sequence[Path]
    weights: Sequence[float]
    places: Sequence[dict[str, Place]]
    inputs: Mapping[Path, int]
    """File -> descriptor."""
    outputs: Mapping[Path, int]


def fuse_checkpoints(
    folders: Sequence[Path],
    weights: Sequence[float],
    target: Path,
    dtype: torch.dtype | None = None,
    progress: Progress = lambda done, total: None,
    max_shard: int = MAX_SHARD,
) -> Fused:
    """Writes the folder `target`: sum_i w_i x_i / sum_i w_i of every tensor, the rest (configuration, tokenizer) as in the first.

    Args:
        folders: Models in Hugging Face layout, in safetensors, each with shards and dtypes of its own.
        weights: One for each, >= 0 with a positive sum.
        target: Must not exist; it appears whole, or not at all.
        dtype: Of all tensors; None keeps the first model's.
        progress: Told of bytes written.
        max_shard: Bytes above which a new file is begun.

    Raises:
        ConfigError: Weights or target can't be used.
        DataError: Models don't fit together (seen before anything is written), or a value is not finite: names the tensor.
    """
    _check_weights(folders, weights)
    places = [read_places(folder) for folder in folders]
    names = common_tensors(folders, places)
    planned = plan_files({name: (dtype or places[0][name].dtype, places[0][name].shape) for name in names}, max_shard)
    total = sum(place.bytes for place in planned.places.values())
    with new_folder(target, total) as partial, ExitStack() as stack:
        copy_small_files(folders[0], partial, dtype)
        files = {place.file for theirs in places for place in theirs.values()}
        inputs = {file: _opened(file, stack) for file in files}
        job = _Job(folders, weights, places, inputs, open_files(partial, planned, stack))
        _run(job, planned, total, progress)
        for descriptor in job.outputs.values():
            os.fsync(descriptor)
        write_index(partial, planned)
    parameters = sum(place.numel for place in planned.places.values())
    return Fused(len(names), parameters, total, len(planned.headers))


def _check_weights(folders: Sequence[Path], weights: Sequence[float]) -> None:
    if not folders:
        raise ConfigError("no models to fuse; name at least one folder")
    if len(weights) != len(folders):
        raise ConfigError(f"{len(weights)} weights for {len(folders)} models; give one for each")
    narrowed = torch.tensor(list(weights), dtype=torch.float32)
    if not (narrowed.isfinite().all() and (narrowed >= 0).all() and 0 < narrowed.sum() < float("inf")):
        raise ConfigError(f"weights must be finite and >= 0 with a positive sum, got {list(weights)}")


def _opened(path: Path, stack: ExitStack) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    stack.callback(os.close, descriptor)
    return descriptor


def _run(job: _Job, planned: Planned, total: int, progress: Progress) -> None:
    """Runs of blocks, spread over as many threads as torch may use; each thread's arithmetic stays in that thread."""
    runs = [(name, start) for name, p in planned.places.items() for start in range(0, p.numel, BLOCK * BLOCKS)]
    threads = min(torch.get_num_threads(), THREADS)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fuse", initializer=torch.set_num_threads, initargs=(1,))
    done = 0
    try:
        for written in pool.map(lambda run: _fuse_run(job, planned.places[run[0]], *run), runs):
            done += written
            progress(done, total)
    finally:
        pool.shutdown(cancel_futures=True)


def _fuse_run(job: _Job, out: Place, name: str, start: int) -> int:
    """Reads, averages and writes up to BLOCKS blocks of a tensor, from value `start`; returns the bytes written."""
    end = min(start + BLOCK * BLOCKS, out.numel)
    _announce(job, name, start, end)
    width = min(BLOCK, end - start)
    work = torch.empty(2, width)
    raw, narrow = torch.empty(8 * width, dtype=torch.uint8), torch.empty(width, dtype=out.dtype)
    for first in range(start, end, width):
        count = min(width, end - first)
        average = narrow[:count]
        linear_average(_blocks(job, name, first, count, raw), job.weights, average, work)
        if not average.sum().isfinite() and not average.isfinite().all():
            raise _not_finite(job, name, first, count, raw)
        data = average.view(torch.uint8).numpy().data
        _write(job.outputs[out.file], data, out.start + first * out.dtype.itemsize)
    return (end - start) * out.dtype.itemsize


def _announce(job: _Job, name: str, start: int, end: int) -> None:
    """Lets the kernel read a whole run of each model ahead: threads that take turns look to it like random access."""
    if not hasattr(os, "posix_fadvise"):  # macOS
        return
    for places in job.places:
        place, size = places[name], places[name].dtype.itemsize
        descriptor, first = job.inputs[place.file], place.start + start * size
        os.posix_fadvise(descriptor, first, (end - start) * size, os.POSIX_FADV_WILLNEED)


def _blocks(job: _Job, name: str, first: int, count: int, raw: Tensor) -> Iterator[Tensor]:
    """Each model's values first, ..., first + count - 1 of a tensor, all in the same memory."""
    for places in job.places:
        place = places[name]
        data = raw[: count * place.dtype.itemsize]
        _read(
            job.inputs[place.file],
            data.numpy().data,
            place.start + first * place.dtype.itemsize,
            place.file,
        )
        yield data.view(place.dtype)


def _not_finite(job: _Job, name: str, first: int, count: int, raw: Tensor) -> DataError:
    for folder, block in zip(job.folders, _blocks(job, name, first, count, raw), strict=True):
        if not block.isfinite().all():
            return DataError(
                f"tensor {name} in {folder} has a value that is not finite; leave that model out, or train it anew"
            )
    return DataError(
        f"the average of tensor {name} is beyond what its dtype holds; write a wider one, e.g. --dtype float32"
    )


def _read(descriptor: int, data: memoryview, offset: int, path: Path) -> None:
    while data:
        got = os.preadv(descriptor, [data], offset)
        if not got:
            raise DataError(f"{path} ended while it was read; copy the model anew")
        data, offset = data[got:], offset + got


def _write(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        put = os.pwrite(descriptor, data, offset)
        data, offset = data[put:], offset + put
