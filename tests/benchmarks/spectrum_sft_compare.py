"""Steps of our SFT and of TRL's SFTTrainer in turn, on one CPU: same weights, documents and AdamW.

A step is everything: making the batch, loss, backward, clipping, optimiser, and what each writes by itself.
"""

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from functools import partial
from statistics import fmean, median
from typing import Any

import torch
from datasets.utils.logging import disable_progress_bar as no_bars_of_datasets
from signal_speed_turns import Turns
from spectrum_sft_matmul import matmul_limit, step_flops
from spectrum_sft_ours import Ours
from spectrum_sft_setting import Setting, loss_of, prepare_smollm2, prepare_tiny
from spectrum_sft_trl import Theirs
from transformers.utils.logging import disable_progress_bar

PARTIES: dict[str, Callable[[Setting], Ours | Theirs]] = {
    "ours": Ours,
    "trl": partial(Theirs, defaults=True),
    "trl-float32": partial(Theirs, defaults=False),
}
PREPARE = {"0.2M": prepare_tiny, "135M": prepare_smollm2}
THREADS = {"0.2M": 1, "135M": 2}
"""The tiny profile's own for its size, where a second makes neither trainer faster."""
WARM_UP = {"0.2M": 5, "135M": 1}
ROUNDS = {"0.2M": 60, "135M": 3}
TARGET = 1.0
AGREE = {"trl": 0.1, "trl-float32": 1e-3}
"""How far a trainer's loss after the steps may be from ours: in float32 the work is the same."""


def measure() -> None:
    """Prints the table and, last, one JSON object."""
    disable_progress_bar()
    no_bars_of_datasets()
    print("OMP_WAIT_POLICY=passive; medians of steps taken in turn, the first left out")
    rows: dict[str, dict[str, Any]] = {}
    for size, prepare in PREPARE.items():
        torch.set_num_threads(THREADS[size])
        setting = prepare()
        parameters = sum(p.numel() for p in setting.model.parameters())
        lengths = [len(d.token_ids) for d in setting.documents]
        before = matmul_limit(setting)
        found = compare(setting, size)
        limit = max(before, matmul_limit(setting))
        print(
            f"\n{size}: {parameters:,} parameters; {len(lengths)} documents of {min(lengths)}-{max(lengths)} tokens, "
            f"{setting.tokens:,} a step; {THREADS[size]} torch threads, matmul limit {limit:.0f} GFLOP/s\n{HEADER}"
        )
        for party, row in found.items():
            rows[f"{size} {party}"] = row | {"share": step_flops(setting) / row["seconds"] / limit / 1e9}
            print(_shown(party, rows[f"{size} {party}"]), flush=True)
        _agree(found)
    print(EXPLANATION)
    ratio = {name: row["ratio"] for name, row in rows.items() if "ratio" in row}
    figures = {
        "ours": {size: rows[f"{size} ours"]["tokens"] for size in PREPARE},
        "peers": {p: {size: rows[f"{size} {p}"]["tokens"] for size in PREPARE} for p in AGREE},
        "ratio": ratio,
        "matmul_share": {name: row["share"] for name, row in rows.items()},
        "target": dict.fromkeys(ratio, TARGET),
    }
    print(json.dumps({"bench": "spectrum-sft", **figures, "met": all(r >= TARGET for r in ratio.values())}))


def compare(setting: Setting, size: str) -> dict[str, dict[str, Any]]:
    """Of each party: a step's seconds and real tokens a second, losses before, on the way and after, ratio to ours."""
    parties = {name: make(setting) for name, make in PARTIES.items()}
    turns = Turns(tuple(PARTIES), ROUNDS[size] + WARM_UP[size])
    with ExitStack() as stack:
        run = {name: stack.enter_context(party.ready()) for name, party in parties.items()}
        with ThreadPoolExecutor(
            len(run), initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)
        ) as threads:
            running = [threads.submit(steps, partial(turns.next, name)) for name, steps in run.items()]
            turns.start()
            for future in as_completed(running):
                future.result()
    seconds = {name: taken[WARM_UP[size] :] for name, taken in turns.seconds.items()}
    before = loss_of(setting, setting.model.state_dict())
    found: dict[str, dict[str, Any]] = {}
    for name, party in parties.items():
        typical = median(seconds[name])
        found[name] = {
            "seconds": typical,
            "tokens": setting.tokens / typical,
            "losses": (before, fmean(party.losses), loss_of(setting, party.model.state_dict())),
        }
        if name != "ours":
            found[name]["ratio"] = typical / median(seconds["ours"])
            found[name]["spread"] = _spread(seconds[name], seconds["ours"])
    return found


def _spread(theirs: list[float], ours: list[float]) -> tuple[float, float]:
    """Lowest and highest ratio of a round's two steps."""
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    return min(ratios), max(ratios)


def _agree(found: dict[str, dict[str, Any]]) -> None:
    """The same work was done: all have learnt, and as much."""
    before, _, ours = found["ours"]["losses"]
    for party, tolerance in AGREE.items():
        theirs = found[party]["losses"][-1]
        if not (theirs < before and math.isclose(ours, theirs, rel_tol=tolerance)):
            raise SystemExit(f"{party} has come from a loss of {before:.4f} to {theirs:.4f}, ours to {ours:.4f}")


HEADER = f"{'':<14}{'tokens/s':>10}{'ratio':>8}{'(lowest-highest)':>18}{'matmul':>9}{'loss before':>14}{'mean':>9}{'after':>9}"
EXPLANATION = """
tokens/s: real ones, none of padding. ratio: ours over TRL's; lowest-highest: of one round. matmul: share of the limit (best
float32 products of the step's tokens with one block's weights and the head's, in this run) that the products which a step
needs come to. before, after: in float32, one document at a time; mean: what the trainer says of its steps, which lags in
bfloat16, where the first updates of weights that were bfloat16 are rounded away. trl: with its defaults, bfloat16 by autocast
and each layer computed again; trl-float32: without. Documents attend to themselves only, in TRL by a mask of the whole row.
"""


def _shown(party: str, row: dict[str, Any]) -> str:
    ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
    spread = "{:.2f}-{:.2f}".format(*row["spread"]) if "ratio" in row else ""
    before, mean, after = row["losses"]
    return f"{party:<14}{row['tokens']:>10,.0f}{ratio:>8}{spread:>18}{row['share']:>9.1%}{before:>14.4f}{mean:>9.4f}{after:>9.4f}"
