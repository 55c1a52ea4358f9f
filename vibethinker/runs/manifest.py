"""Manifests: what a sealed output is. Written last and atomically; without one, an output does not count (promise 1)."""

import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from vibethinker.errors import SealError

MANIFEST = "manifest.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class FileRecord(_Frozen):
    """One file of a sealed output."""

    sha256: str
    bytes: int


class InputRef(_Frozen):
    """A sealed output that this one was made from."""

    fingerprint: str
    """Its identity."""
    digest: str
    """Its content: `Manifest.digest`."""
    path: str
    """Its folder, relative to the workspace."""


class Cost(_Frozen):
    """What the output cost, over all attempts."""

    device_type: str
    devices: int
    seconds: float
    """Wall seconds of all attempts; device-seconds = seconds * devices."""
    rate: float
    """Dollars per device-hour."""
    attempts: int

    @property
    def device_hours(self) -> float:
        """Devices times hours."""
        return self.seconds * self.devices / 3600

    @property
    def dollars(self) -> float:
        """Device-hours times rate."""
        return self.device_hours * self.rate


class Manifest(_Frozen):
    """The seal of one stage's output; lies beside the output's files as `manifest.json`."""

    node: str
    """Node of the recipe, e.g. `expert-algebra`."""
    stage: str
    """Stage module, e.g. `expert`."""
    version: int
    """The stage's own version, raised when its golden values change."""
    fingerprint: str
    """Identity: hash of settings, inputs' fingerprints and version."""
    settings: dict[str, Any]
    """The settings that change the result."""
    inputs: dict[str, InputRef]
    """Input name -> sealed output."""
    files: dict[str, FileRecord]
    """Relative path -> file."""
    metrics: dict[str, float]
    """Final figures."""
    cost: Cost
    versions: dict[str, str]
    """Package -> version."""
    attempt: str
    """Relative path of the folder with events.jsonl and log of the attempt that sealed."""
    created: str
    """UTC, ISO 8601."""

    @property
    def digest(self) -> str:
        """Hash of the files' names and contents."""
        rows = [f"{name} {record.sha256}" for name, record in sorted(self.files.items())]
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    def made_from(self, inputs: Mapping[str, InputRef]) -> bool:
        """Whether it was made from inputs with just these contents."""
        return all(self.inputs[name].digest == reference.digest for name, reference in inputs.items())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads `folder/manifest.json`. Raises SealError where it is missing or malformed."""
        path = folder / MANIFEST
        try:
            return cls.model_validate(orjson.loads(path.read_bytes()))
        except (OSError, orjson.JSONDecodeError, ValidationError) as error:
            raise SealError(f"{path}: no readable manifest ({error}); remove the folder to make it again") from error


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file, streamed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_files(folder: Path, names: list[str]) -> dict[str, FileRecord]:
    """Records of the named files, relative to folder, in sorted order."""
    return {n: FileRecord(sha256=sha256_file(folder / n), bytes=(folder / n).stat().st_size) for n in sorted(names)}


def now() -> str:
    """UTC time to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a file so that readers, and a power cut, see the old content or the new, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def seal(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest: from here on the output counts as done."""
    write_atomic(folder / MANIFEST, orjson.dumps(manifest.model_dump(), option=orjson.OPT_INDENT_2))


def sealed(folder: Path) -> Manifest | None:
    """The manifest of a folder whose files are all there with the recorded sizes, else None (no seal)."""
    if not (folder / MANIFEST).exists():
        return None
    manifest = Manifest.read(folder)
    for name, record in manifest.files.items():
        path = folder / name
        if not path.exists() or path.stat().st_size != record.bytes:
            raise SealError(
                f"{path} does not match its manifest (missing or of another size); remove {folder} to make it again"
            )
    return manifest
