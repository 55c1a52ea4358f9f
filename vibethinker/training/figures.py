"""What a step of MGPO tells: of its rollouts, and of its update."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vibethinker.training.parallel import gather
from vibethinker.training.sampling import RolloutBatch
from vibethinker.training.signal import Rollout, Signal

LENGTH_BINS = 16
"""Of the histogram of response lengths, about."""


def rollout_figures(batch: RolloutBatch, signal: Signal) -> dict[str, float]:
    """Means over the step's own groups, before any were replaced. signal: of these groups."""
    lengths = _lengths(batch.asked)
    known = ~signal.p_c.isnan()
    seconds = batch.seconds.get("rollout", 0.0) + batch.seconds.get("reward", 0.0)
    return {
        "reward": signal.correct.float().mean().item(),
        "unknown": 1 - signal.known.float().mean().item(),
        "p_c_mean": signal.p_c[known].mean().item(),
        "w_mean": signal.w_me[known].mean().item(),
        "zero_advantage_share": (signal.advantages == 0).all(-1).float().mean().item(),
        "refilled": batch.refilled / len(batch.asked),
        "response_tokens": lengths.mean().item(),
        "response_tokens_max": lengths.max().item(),
        "truncated": sum(c.finish_reason == "length" for r in batch.asked for c in r.completions) / lengths.numel(),
        **({"tokens_per_second": batch.tokens / seconds} if seconds else {}),
        **{f"seconds_{part}": value for part, value in batch.seconds.items()},
    }


def p_c_histogram(signal: Signal, group_size: int) -> tuple[list[float], list[int]]:
    """Edges and counts with one bin for each value that p_c can take."""
    bins = group_size + 1
    counts = torch.histc(signal.p_c[~signal.p_c.isnan()], bins, 0, 1).int().tolist()
    return [i / bins for i in range(bins + 1)], counts


def length_histogram(batch: RolloutBatch, window: int) -> tuple[list[float], list[int]]:
    """Edges and counts of the response lengths, from 0 to the window or a little more: bins of equally many lengths."""
    width = -(-window // LENGTH_BINS)
    bins = window // width + 1
    counts = torch.histc(_lengths(batch.asked), bins, 0, bins * width).int().tolist()
    return [float(width * i) for i in range(bins + 1)], counts


def _lengths(rollouts: Sequence[Rollout]) -> Tensor:
    return torch.tensor([[len(c.token_ids) for c in r.completions] for r in rollouts], dtype=torch.float32)


class UpdateFigures:
    """Means and maxima over the response tokens of an update, without waiting for the device before its end."""

    def __init__(self) -> None:
        self._sums: dict[str, list[Tensor]] = {}
        self._most: dict[str, list[Tensor]] = {}

    def add(self, name: str, values: Tensor, mask: Tensor, largest: bool = False) -> None:
        """values, mask: [N, L]; largest: whether the largest is told too."""
        kept = values.detach()[mask].float()
        self._sums.setdefault(name, []).append(torch.stack([kept.sum(), kept.new_tensor(kept.numel())]))
        if largest and kept.numel():
            self._most.setdefault(name, []).append(kept.max())

    def result(self) -> Mapping[str, float]:
        """Over all processes; every one of them has to ask. A name with `largest` gives `<name>_mean` and `<name>_max`."""
        own = {name: torch.stack(parts).sum(0).tolist() for name, parts in self._sums.items()}
        most = {name: torch.stack(parts).max().item() for name, parts in self._most.items()}
        found: dict[str, list[float]] = {}
        largest: dict[str, float] = {}
        for theirs, high in gather((own, most)):
            for name, (total, count) in theirs.items():
                before = found.setdefault(name, [0.0, 0.0])
                found[name] = [before[0] + total, before[1] + count]
            for name, value in high.items():
                largest[name] = max(value, largest.get(name, value))
        means = {name: total / count for name, (total, count) in found.items() if count}
        return {
            **{f"{name}_mean" if name in largest else name: value for name, value in means.items()},
            **{f"{name}_max": value for name, value in largest.items()},
        }
