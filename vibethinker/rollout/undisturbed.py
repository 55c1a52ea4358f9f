"""Keeps what a library changes of the process from those who share it: random states, threads, environment."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

KEPT_PREFIX = "VLLM_"
"""Variables that vLLM reads again later stay as they were set."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever is done inside, the same random numbers, threads and environment come after it as would have come without."""
    environment = dict(os.environ)
    threads, set_threads = torch.get_num_threads(), torch.set_num_threads
    python, arrays, tensors = random.getstate(), np.random.get_state(), torch.get_rng_state()
    device = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)
        torch.set_rng_state(tensors)
        if device is not None:
            torch.cuda.set_rng_state(device)
        torch.set_num_threads = set_threads  # vLLM's CPU worker puts a function there that does nothing
        torch.set_num_threads(threads)
        _restore(environment)


def _restore(environment: dict[str, str]) -> None:
    for name in set(os.environ) | set(environment):
        if name.startswith(KEPT_PREFIX):
            continue
        if name not in environment:
            del os.environ[name]
        elif os.environ.get(name) != environment[name]:
            os.environ[name] = environment[name]
