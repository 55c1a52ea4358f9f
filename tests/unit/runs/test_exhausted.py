"""A full disk and used-up memory are told from other errors; the errors are the libraries' own."""

import errno
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch

from vibethinker.runs.exhausted import exhausted


def said(action: object) -> str:
    with pytest.raises(Exception) as error:  # which one differs from library to library
        assert callable(action)
        action()
    return exhausted(error.value) or "something else"


def write_to_a_full_device() -> None:
    with open("/dev/full", "wb") as file:
        file.write(b"x")


def while_something_else_is_tidied() -> None:
    try:
        write_to_a_full_device()
    except OSError as error:
        raise RuntimeError("could not save") from error


def test_a_full_disk() -> None:
    line = said(write_to_a_full_device)
    assert line.startswith("disk is full: OSError: [Errno 28] No space left on device")
    assert "free space" in line and "\n" not in line
    assert said(while_something_else_is_tidied).startswith("disk is full: RuntimeError: could not save")
    assert "disk is full" in (exhausted(OSError(errno.EDQUOT, "Disk quota exceeded")) or "")
    assert "disk is full" in (exhausted(sqlite3.OperationalError("database or disk is full")) or "")


@pytest.mark.parametrize(
    "action",
    [lambda: torch.zeros(1 << 50), lambda: np.ones(1 << 48), lambda: bytearray(1 << 60)],
    ids=["torch", "numpy", "python"],
)
def test_used_up_memory(action: object) -> None:
    line = said(action)
    assert line.startswith("memory is used up: ")
    assert "lower sft.tokens_per_micro_batch" in line and "\n" not in line


def test_a_gpu_s_memory() -> None:
    assert "memory is used up" in (
        exhausted(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")) or ""
    )


def test_other_errors_are_not_explained_away() -> None:
    assert said(lambda: Path("/no/such/file").read_bytes()) == "something else"
    assert said(lambda: torch.zeros(2) @ torch.zeros(3)) == "something else"
