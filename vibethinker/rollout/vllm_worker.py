"""What vLLM's worker gains: log-probabilities as `Completion` promises them. Runs inside vLLM, wherever its worker does."""

from functools import partial
from typing import Any

import torch
from torch import Tensor


class Reporting:
    """vLLM makes it a base of its worker (`worker_extension_cls`)."""

    model_runner: Any

    def report_logprobs_under(self, temperature: float) -> None:
        """Log-probabilities reported from now on are those of the sampling temperature, before top_p.

        vLLM's own modes give them before temperature and top_p, or after both. 0 (greedy) reports as 1 does. Sampling
        itself is not touched.
        """
        sampler = self.model_runner.sampler
        assert sampler.logprobs_mode == "raw_logprobs" and hasattr(sampler, "compute_logprobs")
        sampler.compute_logprobs = partial(_logprobs, temperature or 1.0)


def _logprobs(temperature: float, logits: Tensor) -> Tensor:
    """float32 [N, V] from logits [N, V]."""
    scaled = logits if temperature == 1 else logits.float() / temperature
    return scaled.log_softmax(-1, dtype=torch.float32)
