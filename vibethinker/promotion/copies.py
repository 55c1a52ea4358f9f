"""A copy of a model, as a registry gives it back: the files that were sealed, and whether they still load and generate."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from vibethinker.promotion.checks import Check
from vibethinker.runs.manifest import Manifest, sha256_file
from vibethinker.runs.supervised import Supervised

MODEL = "model/"
"""Folder of the model in its stage's output."""
GRACE = 5.0
"""Seconds that a process has to leave when its time is over."""


def model_files(manifest: Manifest) -> dict[str, str]:
    """Name inside the model's folder -> sha256, as sealed."""
    return {n.removeprefix(MODEL): r.sha256 for n, r in manifest.files.items() if n.startswith(MODEL)}


def weights_digest(files: Mapping[str, str]) -> str:
    """Identity of a model's weights: digests of its safetensors files, in order of their names."""
    return "+".join(sha256 for name, sha256 in sorted(files.items()) if name.endswith(".safetensors"))


def folder_files(folder: Path) -> dict[str, str]:
    """Name inside folder -> sha256, of every file there."""
    return {str(p.relative_to(folder)): sha256_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def files_check(folder: Path, expected: Mapping[str, str]) -> Check:
    """Whether folder holds exactly the sealed files. expected: name -> sha256."""
    problems = list(_differences(folder_files(folder), expected))
    seen = "; ".join(problems) or f"{len(expected)} files as sealed, weights {weights_digest(expected)[:12]}"
    return Check(name="registered files", passed=not problems, seen=seen)


def _differences(found: Mapping[str, str], expected: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*found, *expected}):
        if name not in found:
            yield f"{name} is missing"
        elif name not in expected:
            yield f"{name} was never sealed"
        elif found[name] != expected[name]:
            yield f"{name} has sha256 {found[name][:12]}, sealed was {expected[name][:12]}"


def generates_check(folder: Path, seconds: float = 600) -> Check:
    """Whether the model in folder loads and generates, tried on CPU in a supervised process. seconds: what it may take."""
    command = [sys.executable, "-m", "vibethinker.models.generates", str(folder)]
    with tempfile.TemporaryDirectory() as place:
        log, until = Path(place) / "log.txt", time.monotonic() + seconds
        process = Supervised(command, os.environ, log, (), GRACE, until)
        try:
            code = process.wait(seconds + 2 * GRACE)
        finally:
            process.end()
        said = log.read_text(errors="replace").strip().splitlines() or [f"exit code {code}"]
    if time.monotonic() >= until:
        return Check(name="generates", passed=False, seen=f"generated nothing within {seconds:.0f} s")
    if code:
        return Check(name="generates", passed=False, seen=said[-1][:300])
    answer = orjson.loads(said[-1])
    return Check(name="generates", passed=True, seen=f"{answer['tokens']} tokens: {answer['text']!r}")
