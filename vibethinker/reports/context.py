"""Results the papers report, for context: only where this run's benchmark has sources of those names."""

import csv
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from vibethinker.reports.data import Context, ModelScores
from vibethinker.reports.rounds import is_expert


def context(models: Sequence[ModelScores], settings: Mapping[str, Any]) -> Context | None:
    """The papers' rows and our Pass@1 per source, in percent; None where no benchmark source bears a reported name.

    Problem ids begin with `<source>/`, so the figures are per source whatever its domains are.
    """
    rows = reported_results()
    sources = {
        _plain(s["name"]): s["name"]
        for s in (settings.get("data") or {}).get("sources", [])
        if s["role"] == "benchmark"
    }
    columns = tuple(c for c in list(rows[0])[4:] if _plain(c) in sources)
    if not columns:
        return None
    ours = [
        (m.model, tuple(_pass_at_1(m, sources[_plain(c)]) for c in columns)) for m in models if not is_expert(m.model)
    ]
    theirs = [(f"{r['model']} ({r['params']})", tuple(float(r[c]) if r[c] else None for c in columns)) for r in rows]
    return Context(columns, tuple(ours), tuple(t for t in theirs if any(v is not None for v in t[1])))


def reported_results() -> list[dict[str, str]]:
    """All rows of both reports' model tables, as printed there."""
    with (files("vibethinker.reports") / "reported_results.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _plain(name: str) -> str:
    return "".join(ch for ch in name.lower() if ch.isalnum())


def _pass_at_1(model: ModelScores, source: str) -> float | None:
    rates = [
        c.correct / c.samples for rows in model.counts.values() for i, c in rows.items() if i.startswith(f"{source}/")
    ]
    return 100 * sum(rates) / len(rates) if rates else None
