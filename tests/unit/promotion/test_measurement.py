"""A measurement is only as good as the sealed files behind it."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from vibethinker.data.tables import write_samples
from vibethinker.promotion.measurement import measured_check, read_measurement
from vibethinker.records import Sample
from vibethinker.runs.manifest import Cost, FileRecord, InputRef, Manifest

SAMPLING = {"maths": {"samples": 2, "temperature": 1.0}}
COUNTS = {"algebra": {"q/1": (2, 1), "q/2": (2, 0)}}


def manifest(inputs: dict[str, InputRef], files: dict[str, FileRecord]) -> Manifest:
    cost = Cost(device_type="CPU core", devices=1, seconds=1, rate=0, attempts=1)
    empty: dict[str, Any] = {"settings": {}, "metrics": {}, "versions": {}}
    return Manifest(
        node="n",
        stage="s",
        version=1,
        fingerprint="f",
        inputs=inputs,
        files=files,
        cost=cost,
        attempt="a",
        created="t",
        **empty,
    )


MODEL = manifest({}, {"model/model.safetensors": FileRecord(sha256="a" * 64, bytes=1)})
GATE = manifest({"model": InputRef(fingerprint="f", digest=MODEL.digest, path="stages/x")}, {})


def sealed(folder: Path, responses: list[tuple[str, str]], counts: Any = COUNTS, sampling: Any = SAMPLING) -> Path:
    """A benchmark's output. responses: (problem, response)."""
    (folder / "scores.json").write_bytes(orjson.dumps({"digest": "d" * 64, "sampling": sampling}))
    (folder / "questions.json").write_bytes(orjson.dumps(counts))
    rows = [
        Sample(problem_id=q, domain="algebra", sample=i, response=r, tokens=1, finish_reason="stop", status="incorrect")
        for i, (q, r) in enumerate(responses)
    ]
    write_samples(folder / "samples.parquet", rows)
    return folder


FULL = [("q/1", "\\boxed{1}"), ("q/1", ""), ("q/2", "2"), ("q/2", " ")]


def test_every_response_is_there(tmp_path: Path) -> None:
    check = measured_check(sealed(tmp_path, FULL), GATE, MODEL)
    assert check.passed and check.seen == "4 responses to 2 questions, 2 not empty"
    assert read_measurement(tmp_path).counts == COUNTS


@pytest.mark.parametrize(
    ("responses", "changes", "seen"),
    [
        (FULL[:3], {}, "samples.parquet has 3 responses to 2 questions, questions.json counts 4 to 2"),
        ([*FULL, ("q/3", "x")], {}, "has 5 responses to 3 questions"),
        ([("q/1", "x")] * 3 + [("q/2", "x")], {}, "has 4 responses to 2 questions"),
        ([(q, " \n") for q, _ in FULL], {}, "every response is empty"),
        (FULL, {"sampling": {"maths": {"samples": 8}}}, "questions were sampled [2] times, the settings say [8]"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, responses: Any, changes: Any, seen: str) -> None:
    check = measured_check(sealed(tmp_path, responses, **changes), GATE, MODEL)
    assert not check.passed and seen in check.seen


def test_another_models_measurement(tmp_path: Path) -> None:
    other = manifest({}, {"model/model.safetensors": FileRecord(sha256="b" * 64, bytes=1)})
    check = measured_check(sealed(tmp_path, FULL), GATE, other)
    assert not check.passed and "on other files than the model's" in check.seen
