"""What a stage's process is told: one JSON file, complete."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vibethinker.config.model import EngineSettings
from vibethinker.runs.manifest import InputRef, write_atomic


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Runtime(_Frozen):
    """How a stage runs; none of it belongs to the stage's identity."""

    device: Literal["cpu", "cuda"] = "cpu"
    """Where tensors live."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Type of the forward and backward pass."""
    threads: int = Field(default=1, ge=1)
    """CPU threads."""
    devices: int = Field(default=1, ge=1)
    """Devices that are billed."""
    device_type: str = "CPU core"
    """What is billed."""
    rate: float = Field(default=0.0, ge=0)
    """Dollars per device-hour."""
    processes: int = Field(default=1, ge=1)
    """Data-parallel processes of a training stage."""
    engine: EngineSettings = EngineSettings()
    """What generates."""
    spent_seconds: float = Field(default=0.0, ge=0)
    """Wall seconds of earlier attempts; the launcher fills it in from the ledger."""


class StageSpec(_Frozen):
    """One attempt at one stage of one node."""

    node: str
    """Node of the recipe, e.g. `expert-algebra`."""
    stage: str
    """Stage module, e.g. `expert`."""
    version: int
    """The stage's own version."""
    fingerprint: str
    """Identity of the output."""
    settings: dict[str, Any]
    """The settings that change the result."""
    inputs: dict[str, InputRef] = {}
    """Input name -> sealed output."""
    places: dict[str, str] = {}
    """Name -> where an outside file or model lies; its content is in `settings` as a digest."""
    folder: Path
    """Absolute folder of the output."""
    workspace: Path
    """Absolute folder that the inputs' paths are relative to."""
    attempt: int = Field(default=1, ge=1)
    """Counts from 1; the launcher fills it in."""
    runtime: Runtime = Runtime()
    """How it runs."""

    @field_validator("folder", "workspace")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError(f"{value} is relative; a stage's process needs absolute paths")
        return value

    @property
    def attempt_folder(self) -> Path:
        """Folder of this attempt's spec.json, events.jsonl and log.txt."""
        return self.folder / "attempts" / str(self.attempt)

    def write(self, path: Path) -> None:
        """Writes the spec as JSON, atomically."""
        write_atomic(path, self.model_dump_json(indent=2).encode())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a spec written by `write`. Raises pydantic's ValidationError where it is malformed."""
        return cls.model_validate_json(path.read_bytes())
