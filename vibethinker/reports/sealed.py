"""Reads one sealed output of each kind into the report's data."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from vibethinker.algorithms.statistics import Interval
from vibethinker.reports.data import (
    Count,
    DataCounts,
    Example,
    ModelScores,
    Score,
)

SPLITS = ("pretrain", "sft", "probe", "rl", "promotion", "benchmark")
SHOWN_CHARACTERS = 3000


def node_of(folder: Path) -> str:
    """The node of a stage's folder `<node>-<fingerprint>`."""
    return folder.name.rpartition("-")[0]


def load(path: Path) -> dict[str, Any]:
    """A JSON object."""
    return dict(orjson.loads(path.read_bytes()))


def read_scores(folder: Path) -> ModelScores:
    """scores.json, and the questions' counts from samples.parquet."""
    raw = load(folder / "scores.json")
    return ModelScores(
        model=raw["model"],
        k=raw["k"],
        sampling=raw.get("sampling") or {},
        digest=raw.get("digest") or "",
        domains={d: _score(s) for d, s in raw["domains"].items()},
        overall=_score(raw["overall"]) if raw.get("overall") else None,
        counts=_question_counts(folder / "samples.parquet"),
    )


def _score(raw: dict[str, Any]) -> Score:
    one, k = (Interval(raw[p], raw[f"{p}_low"], raw[f"{p}_high"]) for p in ("pass_at_1", "pass_at_k"))
    return Score(
        problems=raw["problems"],
        samples=raw["samples"],
        pass_at_1=one,
        pass_at_k=k,
        truncated=raw.get("truncated", 0),
        unknown=raw.get("unknown", 0),
        mean_tokens=raw.get("mean_tokens", 0),
        distinct_paths=raw.get("distinct_paths"),
        paths_among={int(m): v for m, v in (raw.get("paths_among") or {}).items()},
    )


def _question_counts(path: Path) -> dict[str, dict[str, Count]]:
    if not path.exists():
        return {}
    rows = pd.read_parquet(path, columns=["domain", "problem_id", "status"])
    rows["correct"] = rows["status"] == "correct"
    found: dict[str, dict[str, Count]] = {}
    grouped = rows.groupby(["domain", "problem_id"], sort=True)["correct"].agg(["size", "sum"])
    for (domain, problem), size, correct in zip(grouped.index, grouped["size"], grouped["sum"], strict=True):
        found.setdefault(str(domain), {})[str(problem)] = Count(int(size), int(correct))
    return found


def read_questions(folder: Path) -> dict[str, tuple[str, str]]:
    """Problem id -> question and gold answer of the benchmark split."""
    rows = pd.read_parquet(folder / "benchmark.parquet", columns=["id", "question", "answer"])
    return {str(i): (str(q), str(a)) for i, q, a in zip(rows["id"], rows["question"], rows["answer"], strict=True)}


def read_examples(folder: Path, questions: Mapping[str, tuple[str, str]]) -> list[Example]:
    """One correct and one other response per domain, the first there are, so that nobody picked them."""
    model = load(folder / "scores.json")["model"]
    rows = pd.read_parquet(folder / "samples.parquet")
    rows["right"] = rows["status"] == "correct"
    picked = (
        rows.groupby(["domain", "right"], sort=True).head(1).sort_values(["domain", "right"], ascending=[True, False])
    )
    return [_example(model, row, questions) for row in picked.to_dict("records")]


def _example(model: str, row: Mapping[Any, Any], questions: Mapping[str, tuple[str, str]]) -> Example:
    question, gold = questions.get(row["problem_id"], ("", ""))
    response = str(row["response"])
    cut = len(response) - SHOWN_CHARACTERS
    return Example(
        model=model,
        domain=str(row["domain"]),
        problem_id=str(row["problem_id"]),
        question=question,
        gold=gold,
        response=response if cut <= 0 else f"{response[:SHOWN_CHARACTERS]} … ({cut} more characters)",
        tokens=int(row["tokens"]),
        finish_reason=str(row["finish_reason"]),
        status=str(row["status"]),
        extracted="" if pd.isna(row["extracted"]) else str(row["extracted"]),
        reason=str(row["reason"] or ""),
    )


def read_counts(done: Mapping[str, Path]) -> DataCounts:
    """Rows of the data stages that are there."""
    ingest, clean, split = (done.get(n) for n in ("ingest", "decontaminate", "split"))
    before, after = (_rows(f / "train.parquet" if f else None) for f in (ingest, clean))
    return DataCounts(
        sources=_by_source(ingest) if ingest else {},
        splits=_by_split(split) if split else {},
        quarantine=_quarantine(ingest) if ingest else {},
        hits=len(_lines(clean / "hits.jsonl")) if clean else None,
        dropped=before - after if before is not None and after is not None else None,
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [orjson.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]


def _rows(path: Path | None) -> int | None:
    return len(pd.read_parquet(path, columns=["id"])) if path and path.exists() else None


def _by_source(folder: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for role in ("train", "benchmark"):
        if (folder / f"{role}.parquet").exists():
            rows = pd.read_parquet(folder / f"{role}.parquet", columns=["source", "domain"])
            pairs = Counter(zip(rows["source"].astype(str), rows["domain"].astype(str), strict=True))
            for (source, domain), count in pairs.items():
                found.setdefault(f"{source} ({role})", {})[domain] = count
    return found


def _by_split(folder: Path) -> dict[str, dict[str, int]]:
    found = {}
    for name in SPLITS:
        if (folder / f"{name}.parquet").exists():
            found[name] = dict(
                Counter(pd.read_parquet(folder / f"{name}.parquet", columns=["domain"])["domain"].astype(str))
            )
    return found


def _quarantine(folder: Path) -> dict[str, int]:
    rows = _lines(folder / "quarantine.jsonl")
    return dict(Counter(f"{r.get('source', '?')}: {r.get('reason', '?')}" for r in rows).most_common())
