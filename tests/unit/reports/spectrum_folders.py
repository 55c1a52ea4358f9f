"""The second report's rounds as their stages leave them: hard problems, a student, distillation, written probing sets."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import orjson

K = 8
STEPS = range(0, 201, 40)


def expert(run: Any, node: str, domains: Iterable[str], start: float = 0.2, steps: Iterable[int] = STEPS) -> None:
    """An expert whose Pass@8 peaks at the fourth checkpoint, whose loss is lowest at the third, and whose Pass@1 still rises."""
    checkpoints = []
    for i, step in enumerate(steps):
        probes = {d: probe(i, start, np.random.default_rng(sum(map(ord, node + d)) + i)) for d in domains}
        checkpoints.append({"step": step, "loss": 2.0 / i if i else 0.0, "probes": probes})
    folder = run.output(node, {"trajectory.json": orjson.dumps({"k": K, "checkpoints": checkpoints})}, 24, done=False)
    events = folder / "attempts" / "1" / "events.jsonl"
    events.parent.mkdir(parents=True)
    # A second telling of a step replaces the first: 200 steps of 300 tokens are 60,000
    told = [
        {"kind": "metrics", "step": s, "values": {"loss": 1.0, "response_tokens": 300.0}} for s in (1, *range(1, 201))
    ]
    events.write_bytes(b"".join(orjson.dumps(e | {"time": 0.0}) + b"\n" for e in told))
    run.seal(node, folder, 24)


def probe(i: int, start: float, rng: np.random.Generator) -> dict[str, Any]:
    """Of the i-th checkpoint."""
    one, top = start + 0.04 * i, start + 0.3 + 0.09 * i - 0.03 * max(0, i - 3) * i + float(rng.normal(0, 0.005))
    top = min(top, 1.0)
    at = {str(k): one + (top - one) * float(np.log2(k)) / 3 for k in (1, 2, 4, 8)}
    return {
        "problems": 32,
        "samples": 16 * 32,
        "pass_at": at,
        "low": at["8"] - 0.1,
        "high": min(1.0, at["8"] + 0.09),
        "loss": 0.6 + 0.08 * abs(i - 2) + float(rng.normal(0, 0.002)),
        "paths": start * (3 + 2 * i - 0.4 * max(0, i - 3) * i + float(rng.normal(0, 0.4))),
        "counts": {f"p{q}": [16, q % 16] for q in range(32)},
    }


def select(run: Any, node: str, experts: Mapping[str, str]) -> None:
    """experts: domain -> the node of its trajectory. The fourth checkpoint of each, as its trajectory has it."""
    rows = {}
    for domain, source in experts.items():
        raw = orjson.loads((run.workspace / run.nodes[source]["path"] / "trajectory.json").read_bytes())
        found = raw["checkpoints"][3]["probes"][domain]
        rates = {"pass_at_1": found["pass_at"]["1"], "pass_at_k": found["pass_at"]["8"], "loss": found["loss"]}
        rows[domain] = {"node": source, "step": 120, **rates}
    run.output(node, {"selection.json": orjson.dumps({"rule": "pass_at_k", "k": K, "experts": rows})}, 0.3)


def fuse(run: Any, node: str, domains: list[str], gain: tuple[float, float, float] | None = None) -> None:
    """gain: mean, low and high of what searched weights bought; None for uniform weights without a search."""
    uniform = {d: 1 / len(domains) for d in domains}
    raw: dict[str, Any] = {"weights": uniform, "tensors": 20, "search": None}
    if gain:
        draws = np.random.default_rng(0).dirichlet(np.ones(len(domains)), 12)
        candidates = [{"weights": uniform, "pass_at_k": 0.6}]
        candidates += [
            {"weights": dict(zip(domains, row.tolist(), strict=True)), "pass_at_k": 0.63 - 0.01 * i}
            for i, row in enumerate(draws)
        ]
        raw["weights"] = candidates[1]["weights"]
        raw["search"] = {
            "k": K,
            "seed": 0,
            "candidates": candidates,
            "chosen": 1,
            "held_out": {
                "problems": 80,
                "uniform": {"mean": 0.58, "low": 0.5, "high": 0.66},
                "chosen": {"mean": 0.58 + gain[0], "low": 0.5, "high": 0.7},
                "difference": dict(zip(("mean", "low", "high"), gain, strict=True)),
            },
        }
    run.output(node, {"fusion.json": orjson.dumps(raw), "config.json": b"{}"}, 0.8 if gain is None else 14)


def teacher(problems: int, traces: int, dollars: float = 0.0) -> dict[str, Any]:
    """A teacher of which three quarters verify and half stay."""
    return {
        "problems": problems,
        "traces": traces,
        "verified": traces * 3 // 4,
        "kept": traces // 2,
        "truncated": traces // 20,
        "prompt_tokens": traces * 80,
        "response_tokens": traces * 400,
        "seconds": traces * 0.05,
        "dollars": dollars,
    }


def distill(run: Any, node: str, teachers: Mapping[str, Any], domains: Iterable[str], potential: bool = False) -> None:
    """counts.json with two buckets of learning potential a domain, or none."""
    buckets = [
        {"domain": d, "low_tokens": low, "high_tokens": low + 199, "traces": 40, "kept": 22, "low": 0.21, "high": 0.48}
        for d in domains
        for low in (16, 216)
    ]
    buckets[0] |= {"kept": 0, "low": None, "high": None}
    counts = {
        "problems": 250,
        "teachers": teachers,
        "pseudo_labelled": 7,
        "unlabelled": 3,
        "contaminated": 2,
        "reasons": {"incorrect": 600, "duplicate": 90, "contaminated": 2},
        "domains": {d: {"problems": 50, "traces": 400, "kept": 180} for d in domains},
        "potential": {"buckets": buckets} if potential else None,
    }
    run.output(node, {"counts.json": orjson.dumps(counts)}, 31)


def curriculum(run: Any, domains: Iterable[str]) -> None:
    """A hard subset of 12 in 50 a domain."""
    counts = {
        "reference": "fused",
        "problems": 250,
        "hard": 90,
        "long": 130,
        "kept": 60,
        "domains": {d: {"problems": 50, "hard": 18, "kept": 12} for d in domains},
    }
    run.output("hard-traces", {"counts.json": orjson.dumps(counts)}, 18)


def probing(run: Any, domains: Iterable[str]) -> None:
    """Probing sets of which 50 problems were rejected."""
    counts = {
        "written": 210,
        "malformed": 11,
        "duplicates": 9,
        "contaminated": 4,
        "disagreed": 26,
        "kept": 160,
        "domains": dict.fromkeys(domains, 32),
        "requests": 1050,
        "prompt_tokens": 210_000,
        "response_tokens": 400_000,
        "dollars": 0.31,
    }
    run.output("probing-sets", {"counts.json": orjson.dumps(counts)}, 40)
