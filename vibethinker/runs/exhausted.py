"""What an error means where the machine is used up: the disk or the memory is full. Nothing is wrong with the program then."""

import errno
import sys

DISK = (errno.ENOSPC, errno.EDQUOT)
DISK_WORDS = (
    "No space left on device",
    "Disk quota exceeded",
    "database or disk is full",
    "PytorchStreamWriter failed",
)
"""What libraries say that don't pass the number on: safetensors, SQLite, torch.save."""
MEMORY_WORDS = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "CUDA out of memory",
)
LOWER = (
    "sft.tokens_per_micro_batch and mgpo.tokens_per_micro_batch (training), mgpo.prompts_per_step, mgpo.group_size and "
    "max_response_tokens (sampling), or compute.parallel (stages at once)"
)


def exhausted(error: BaseException) -> str | None:
    """One line with the mend if the disk or the memory is full, else None."""
    chain = _chain(error)
    if any(_disk_full(e) for e in chain):
        return f"disk is full: {_first_line(error)}; free space and run the same command again, it continues from here"
    if any(_memory_full(e) for e in chain):
        return f"memory is used up: {_first_line(error)}; lower {LOWER}, and run the same command again"
    return None


def _chain(error: BaseException) -> list[BaseException]:
    """The error and those it was raised for."""
    chain: list[BaseException] = []
    reason: BaseException | None = error
    while reason is not None and reason not in chain:
        chain.append(reason)
        reason = reason.__cause__ or reason.__context__
    return chain


def _disk_full(error: BaseException) -> bool:
    numbered = isinstance(error, OSError) and error.errno in DISK
    return numbered or any(words in str(error) for words in DISK_WORDS)


def _memory_full(error: BaseException) -> bool:
    torch = sys.modules.get("torch")  # not imported here: its own error can't be met where it isn't loaded
    kinds = (MemoryError, torch.OutOfMemoryError) if torch else (MemoryError,)
    return isinstance(error, kinds) or any(words in str(error) for words in MEMORY_WORDS)


def _first_line(error: BaseException) -> str:
    """What the error says, in one line."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
