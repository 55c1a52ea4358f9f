"""What a model measured on the promotion set, and whether the sealed files bear it out."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict

from vibethinker.data.tables import read_samples
from vibethinker.promotion.checks import Check
from vibethinker.runs.manifest import Manifest

Counts = dict[str, dict[str, tuple[int, int]]]
"""Domain -> problem id -> (n samples, c correct)."""


class Measurement(BaseModel):
    """A model on the promotion set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    set_digest: str
    sampling: dict[str, dict[str, float]]
    """Verifier -> how its problems were sampled."""
    counts: Counts


def read_measurement(folder: Path) -> Measurement:
    """What a sealed benchmark of the promotion set measured."""
    scores = orjson.loads((folder / "scores.json").read_bytes())
    counts = orjson.loads((folder / "questions.json").read_bytes())
    return Measurement(set_digest=scores["digest"], sampling=scores["sampling"], counts=counts)


def measured_check(folder: Path, gate: Manifest, model: Manifest) -> Check:
    """Whether the sealed benchmark in folder loaded this very model, and has every response that its figures count."""
    problems = list(_problems(folder, gate, model))
    return Check(name="measured", passed=not problems, seen="; ".join(problems) or _summary(folder))


def _problems(folder: Path, gate: Manifest, model: Manifest) -> Iterator[str]:
    if gate.inputs["model"].digest != model.digest:
        yield "the promotion set was measured on other files than the model's"
    measurement, rows = read_measurement(folder), read_samples(folder / "samples.parquet")
    wanted = {(d, q): n for d, questions in measurement.counts.items() for q, (n, _) in questions.items()}
    found = Counter(zip(rows["domain"], rows["problem_id"], strict=True))
    if found != wanted:
        counted = f"questions.json counts {sum(wanted.values())} to {len(wanted)}"
        yield f"samples.parquet has {len(rows)} responses to {len(found)} questions, {counted}"
    asked = sorted({int(how["samples"]) for how in measurement.sampling.values()})
    if not set(wanted.values()) <= set(asked):
        yield f"questions were sampled {sorted(set(wanted.values()))} times, the settings say {asked}"
    if not rows["response"].str.strip().any():
        yield "every response is empty"


def _summary(folder: Path) -> str:
    rows = read_samples(folder / "samples.parquet")
    full = int(rows["response"].str.strip().astype(bool).sum())
    return f"{len(rows)} responses to {rows['problem_id'].nunique()} questions, {full} not empty"
