"""Reads what a training stage said of itself: its events over all attempts."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vibethinker.reports.data import Curves, Histogram, ShownResponse
from vibethinker.reports.sealed import node_of
from vibethinker.reports.suite_samples import shorten
from vibethinker.tracking.local import read_events

SHOWN_STEPS = 4
"""Steps whose responses are shown: the first, the last, and some between."""
HEAD, TAIL = 1000, 500
"""Characters shown of a text's beginning and end."""


def read_curves(folder: Path) -> Curves:
    """An MGPO stage's events of all attempts in order: where a later attempt repeats a step, it counts."""
    metrics: dict[str, dict[int, float]] = {}
    histograms: dict[str, dict[int, Histogram]] = {}
    rows: dict[int, list[dict[str, Any]]] = {}
    for event in _events(folder):
        if event["kind"] == "metrics":
            for name, value in event["values"].items():
                metrics.setdefault(name, {})[event["step"]] = value
        elif event["kind"] == "histogram":
            found = Histogram(event["step"], tuple(event["edges"]), tuple(event["counts"]))
            histograms.setdefault(event["name"], {})[event["step"]] = found
        elif event["kind"] == "samples":
            rows[event["step"]] = event["rows"]
    if "train_tokens_per_second" not in metrics and "tokens_per_second" in metrics:
        metrics["train_tokens_per_second"] = metrics.pop("tokens_per_second")  # what older runs meant by it
    p_c, lengths = (tuple(h for _, h in sorted(histograms.get(n, {}).items())) for n in ("p_c", "response_tokens"))
    return Curves(
        node=node_of(folder),
        metrics={name: sorted(points.items()) for name, points in metrics.items()},
        p_c=p_c,
        lengths=lengths,
        responses=tuple(_shown(step, row) for step in few(rows) for row in rows[step]),
    )


def trained_tokens(folder: Path) -> int | None:
    """Response tokens that an expert's steps learnt from, each step once; None where its events are away."""
    counted: dict[int, float] = {}
    for event in _events(folder):
        if event["kind"] == "metrics" and "response_tokens" in event["values"]:
            counted[event["step"]] = event["values"]["response_tokens"]
    return int(sum(counted.values())) if counted else None


def few(steps: Collection[int]) -> list[int]:
    """SHOWN_STEPS of them, evenly spread, ascending; all where there are no more."""
    ordered = sorted(steps)
    places = np.linspace(0, len(ordered) - 1, min(SHOWN_STEPS, len(ordered))).round().astype(int)
    return [ordered[i] for i in places]


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    attempts = [p for p in (folder / "attempts").glob("*/events.jsonl") if p.parent.name.isdigit()]
    for path in sorted(attempts, key=lambda p: int(p.parent.name)):
        yield from read_events(path)


def _shown(step: int, row: Mapping[str, Any]) -> ShownResponse:
    return ShownResponse(
        step=step,
        question=shorten(str(row["question"]), HEAD, TAIL),
        response=shorten(str(row["response"]), HEAD, TAIL),
        status=str(row["status"]),
        extracted=shorten(str(row.get("extracted") or ""), 100, 50),
        tokens=row.get("tokens"),
        finish_reason=str(row.get("finish_reason") or ""),
        advantage=row.get("advantage"),
    )
