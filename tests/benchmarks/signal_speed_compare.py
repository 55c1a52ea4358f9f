"""Steps of our MGPO trainer and of TRL's GRPOTrainer in turn, on one CPU: same weights, prompts, rewards, window.

A step is everything: rollouts, rewards, loss, backward, optimiser, and what each writes by itself.
"""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, nullcontext
from functools import partial
from importlib.util import find_spec
from statistics import fmean, median
from typing import Any

import torch
from signal_speed_ours import Ours, transformers_engine, vllm_engine
from signal_speed_setting import GROUP, PROMPTS, Ruled, Setting, prepare
from signal_speed_trl import Theirs
from signal_speed_turns import Turns
from transformers.utils.logging import disable_progress_bar

from vibethinker.rollout.engine import Engine
from vibethinker.verifiers.grader import GraderSettings
from vibethinker.verifiers.grading_pool import GradingPool

THREADS = {"0.2M": 1, "1M": 2}
"""The tiny profile's own for its size, where a second makes neither trainer faster."""
WARM_UP = 1
ROUNDS = {"0.2M": 7, "1M": 4}
SHARES = (0.0, 0.5, 0.9)
TARGETS = {"own": 2.0, "0%": 1.5, "own, vLLM": 2.0}
MakeEngine = Callable[[Any, Setting], Engine]
PARTS = ("rollout", "reward", "train", "sync")


def measure() -> None:
    """Prints the table and, last, one JSON object."""
    disable_progress_bar()
    print("OMP_WAIT_POLICY=passive; medians of steps taken in turn, the first of each left out")
    rows = {}
    for size, rounds in ROUNDS.items():
        torch.set_num_threads(THREADS[size])
        limit, setting = matmul_limit(), prepare(size)
        about = (
            f"{setting.parameters:,} parameters, float32; {PROMPTS} prompts x {GROUP}; {THREADS[size]} torch threads"
        )
        print(f"\n{size}: {about}, matmul limit {limit:.0f} GFLOP/s\n{HEADER}", flush=True)
        for mix, (share, make_engine) in mixes().items():
            rows[f"{size} {mix}"] = row = compare(setting, share, make_engine, rounds, limit)
            print(_shown(mix, row), flush=True)
    print(EXPLANATION)
    ratio = {name: row["ratio"] for name, row in rows.items()}
    target = {name: least for name in rows for mix, least in TARGETS.items() if name.endswith(f" {mix}")}
    growing = all(ratio[f"{s} 0%"] < ratio[f"{s} 50%"] < ratio[f"{s} 90%"] for s in ROUNDS)
    figures = {
        "ours": {name: row["ours"] for name, row in rows.items()},
        "peers": {"trl": {name: row["trl"] for name, row in rows.items()}},
        "ratio": ratio,
        "target": target,
    }
    met = growing and all(ratio[name] >= least for name, least in target.items())
    print(json.dumps({"bench": "signal-speed", **figures, "met": met}))


def mixes() -> dict[str, tuple[float | None, MakeEngine]]:
    """Name -> share of groups without advantage (None: what graders say of the model's own answers) and our engine."""
    found: dict[str, tuple[float | None, MakeEngine]] = {"own": (None, transformers_engine)}
    found |= {f"{share:.0%}": (share, transformers_engine) for share in SHARES}
    if find_spec("vllm"):
        return found | {"own, vLLM": (None, vllm_engine)}
    print("vLLM is not installed: its engine is left out")
    return found


def compare(
    setting: Setting, share: float | None, make_engine: MakeEngine, rounds: int, limit: float
) -> dict[str, Any]:
    """Steps a second of both and what goes with them. limit: GFLOP/s."""
    turns = Turns(("ours", "trl"), rounds + WARM_UP)
    with ExitStack() as stack:
        theirs = Theirs(setting, stack.enter_context(_grades(setting, share)))
        ours = Ours(setting, stack.enter_context(_grades(setting, share)), make_engine)
        run = {"trl": stack.enter_context(theirs.ready()), "ours": stack.enter_context(ours.ready())}
        with ThreadPoolExecutor(
            len(run), initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)
        ) as threads:
            running = [threads.submit(steps, partial(turns.next, party)) for party, steps in run.items()]
            turns.start()
            for future in as_completed(running):
                future.result()
    seconds = {party: taken[WARM_UP:] for party, taken in turns.seconds.items()}
    figures = {name: median(f[name] for f in ours.figures[WARM_UP:]) for name in ours.figures[0]}
    flops = 1e-9 * setting.parameters / limit
    return {
        "ours": 1 / median(seconds["ours"]),
        "trl": 1 / median(seconds["trl"]),
        "ratio": median(seconds["trl"]) / median(seconds["ours"]),
        "spread": [min(seconds["trl"]) / max(seconds["ours"]), max(seconds["trl"]) / min(seconds["ours"])],
        "parts": {part: figures[f"seconds_{part}"] for part in PARTS},
        "equal": [fmean(f["zero_advantage_share"] for f in ours.figures[WARM_UP:]), fmean(theirs.equal[WARM_UP:])],
        "tokens": [fmean(f["response_tokens"] for f in ours.figures[WARM_UP:]), fmean(theirs.lengths[WARM_UP:])],
        "train_share": 6 * flops * figures["train_tokens_per_second"],
        "rollout_share": 2 * flops * figures["tokens_per_second"],
    }


def _grades(setting: Setting, share: float | None) -> Any:
    if share is None:
        return GradingPool(GraderSettings(), workers=1)
    return nullcontext(Ruled(setting.silent(share)))


def matmul_limit() -> float:
    """GFLOP/s of the best of several large float32 products."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    best = min(_timed(a, b) for _ in range(12))
    return 2 * 2048**3 / best / 1e9


def _timed(a: torch.Tensor, b: torch.Tensor) -> float:
    started = time.perf_counter()
    torch.mm(a, b)
    return time.perf_counter() - started


HEADER = (
    f"{'no advantage':<14}{'ours/s':>8}{'TRL/s':>8}{'ratio':>7}{'(lowest-highest)':>18}{'rollout':>9}{'reward':>8}{'train':>7}"
    f"{'sync':>7}{'matmul train':>14}{'gen':>6}{'groups equal':>14}{'tokens':>12}"
)
EXPLANATION = """
rollout, reward, train, sync: our seconds. matmul: share of the limit (best 2048^3 float32 product in this run) that
6 x parameters x trained tokens a second of training, and 2 x parameters x response tokens a second of generation, come to.
groups equal, tokens: share of groups with equal rewards, and mean response length, ours / TRL's. lowest-highest: TRL's
fastest step over our slowest, TRL's slowest over our fastest. TRL runs without its default recomputation and bfloat16.
"""


def _shown(mix: str, row: dict[str, Any]) -> str:
    low, high = row["spread"]
    parts = row["parts"]
    return (
        f"{mix:<14}{row['ours']:>8.2f}{row['trl']:>8.2f}{row['ratio']:>7.2f}{f'{low:.1f}-{high:.1f}':>18}"
        f"{parts['rollout']:>9.3f}{parts['reward']:>8.3f}{parts['train']:>7.3f}{parts['sync']:>7.3f}"
        f"{row['train_share']:>14.1%}{row['rollout_share']:>6.1%}"
        f"{'{:.0%} / {:.0%}'.format(*row['equal']):>14}{'{:.1f} / {:.1f}'.format(*row['tokens']):>12}"
    )
