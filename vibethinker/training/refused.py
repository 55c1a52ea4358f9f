"""A step whose loss, gradient or weights are not finite is refused, and the micro-batch at fault kept for replay."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import orjson
from safetensors.torch import load_file, save_file

from vibethinker.errors import VibeThinkerError
from vibethinker.training.batching import Batch
from vibethinker.training.parallel import barrier, gather


class NonFinite(VibeThinkerError, ArithmeticError):
    """A loss, gradient or weight was not finite; the step was refused and the last checkpoint stays."""


@dataclass(frozen=True)
class Share:
    """What one micro-batch gave to a step."""

    index: int
    """Among all micro-batches of the step."""
    loss: float
    norm: float
    """Of its own gradient."""

    @property
    def finite(self) -> bool:
        """Whether both are."""
        return math.isfinite(self.loss) and math.isfinite(self.norm)


def refuse(step: int, what: str, batches: Sequence[Batch], own: Sequence[Share], scratch: Path) -> NonFinite:
    """The error to raise in all processes, once the micro-batch at fault is kept in scratch/refused-step-<step>.

    Args: what: was not finite; batches: all of the step; own: those that this process has tried.
    """
    share = at_fault([share for part in gather(own) for share in part])
    folder = scratch / f"refused-step-{step}"
    if share.index in {s.index for s in own}:
        _keep(folder, step, what, batches[share.index], share, len(batches))
    barrier()
    return NonFinite(
        f"step {step}: {what}; at fault is micro-batch {share.index} of {len(batches)} (loss {share.loss:g}, gradient norm "
        f"{share.norm:g}), kept in {folder}; the step was refused, the last checkpoint stays"
    )


def at_fault(shares: Sequence[Share]) -> Share:
    """The first that is not finite; where only the sum isn't, the one with the largest gradient."""
    return next((s for s in shares if not s.finite), max(shares, key=lambda s: s.norm if s.finite else 0.0))


def read_refused(folder: Path) -> Batch:
    """The micro-batch that a refused step kept. A packed row is to be computed within `packed_row(model, its documents)`."""
    return Batch(**load_file(folder / "batch.safetensors"))


def _keep(folder: Path, step: int, what: str, batch: Batch, share: Share, count: int) -> None:
    """Only one is ever kept: the latest."""
    partial = folder.parent / "partial-refused"
    for old in (partial, *folder.parent.glob("refused-step-*")):
        shutil.rmtree(old, ignore_errors=True)
    partial.mkdir(parents=True)
    tensors = {f.name: getattr(batch, f.name).contiguous() for f in fields(batch)}
    save_file(tensors, partial / "batch.safetensors")
    said = {"step": step, "what": what, "micro_batch": share.index, "micro_batches": count}
    numbers = {"loss": str(share.loss), "gradient_norm": str(share.norm)}  # JSON has no nan
    (partial / "about.json").write_bytes(orjson.dumps(said | numbers, option=orjson.OPT_INDENT_2))
    partial.rename(folder)
