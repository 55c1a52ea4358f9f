"""`vibethinker fuse`: the average of checkpoints on disk. Stands on its own: no workspace, no server, no profile."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from vibethinker.errors import ConfigError
from vibethinker.reports.words import duration

GB = 1e9


def fuse(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL", help="Folders in Hugging Face layout, with safetensors; two or more."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the average goes; must not exist.")],
    weight: Annotated[
        list[float] | None,
        typer.Option("--weight", metavar="NUMBER", help="One for each model, in their order; all alike if none."),
    ] = None,
    dtype: Annotated[
        Literal["bfloat16", "float16", "float32"] | None,
        typer.Option("--dtype", help="Of what is written; the first model's if not given."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Average checkpoints of one architecture.

    Weights are scaled to sum 1. Configuration and tokenizer come from the first model. The folder appears whole, or not
    at all.

    \b
    Example: vibethinker fuse experts/algebra experts/code
        --weight 0.7 --weight 0.3 --out fused
    """
    if len(models) < 2:
        raise ConfigError(f"only {models[0]} is given; name two models or more to fuse")
    import torch  # takes a second

    from vibethinker.models.fuse import fuse_checkpoints

    weights, start = weight or [1.0] * len(models), time.perf_counter()
    with _bar() as progress:
        fused = fuse_checkpoints(models, weights, out, getattr(torch, dtype) if dtype else None, progress)
    seconds = time.perf_counter() - start
    shares = [w / sum(weights) for w in weights]
    if json:
        named = [{"model": str(m), "weight": w} for m, w in zip(models, shares, strict=True)]
        record = {"out": str(out), "models": named, "seconds": seconds, **asdict(fused)}
        sys.stdout.write(orjson.dumps(record, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    print(f"{out}: {fused.parameters:,} parameters, {fused.bytes / GB:.2f} GB, in {duration(seconds)}")
    for model, share in zip(models, shares, strict=True):
        print(f"  {share:.4g} x {model}")


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A bar by bytes on stderr, where that is a terminal; gone when it is done."""
    columns = (
        TextColumn("fuse"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("fuse", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
