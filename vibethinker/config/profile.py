"""A profile: everything `vibethinker run` needs to know, in one file."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from vibethinker.config.base import Settings
from vibethinker.config.data import DataSettings
from vibethinker.config.model import BaseSettings, ComputeSettings
from vibethinker.config.training import (
    FusionSettings,
    MgpoSettings,
    ProbeSettings,
    SamplingSettings,
    SelectionSettings,
    SftSettings,
)
from vibethinker.records import VerifierName

DomainName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""A domain names folders and nodes."""


class BenchmarkSettings(Settings):
    """The suite that is reported; nothing is tuned on it."""

    k: int = Field(ge=1)
    """K of the reported Pass@K."""
    domains: dict[DomainName, VerifierName] = {}
    """Groups of benchmark problems that are no expert's domain, e.g. aime24; empty measures the profile's domains."""
    sampling: dict[VerifierName, SamplingSettings] = Field(min_length=1)
    """Verifier -> sampling (the report samples maths and code differently [A 4.1])."""
    experts: bool = True
    """Whether each expert is measured too, besides base, fused and every MGPO stage."""


class PromotionSettings(Settings):
    """When a registered candidate becomes champion. Measured on the promotion set, never on the reported benchmark."""

    sampling: dict[VerifierName, SamplingSettings] = Field(min_length=1)
    """Verifier -> sampling."""
    floor: float = Field(ge=0, le=1)
    """Mean Pass@1 that the first champion needs."""
    min_effect: float = Field(default=0.0, ge=0, le=1)
    """The lower end of the paired 95% interval of (candidate - champion) must lie above this."""


class RegistrySettings(Settings):
    """The MLflow model registry."""

    model_name: str = Field(min_length=1)
    """Registered model's name."""
    experiment: str = Field(default="vibethinker", min_length=1)
    """MLflow experiment of the runs."""


class BudgetSettings(Settings):
    """What may be spent."""

    device_type: str = Field(min_length=1)
    """What is billed, e.g. `H800` or `CPU core`."""
    rate: float = Field(ge=0)
    """Dollars per device-hour."""
    limit: float = Field(gt=0)
    """Dollars; no process starts without a lease inside it."""
    estimates: dict[str, float] = {}
    """Stage -> device-hours, for `vibethinker plan` (`expert` counts per expert, `mgpo` and `benchmark` per stage and model)."""


class Profile(Settings):
    """One run of the recipe."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    """Profile's name."""
    description: str
    """One line for people."""
    demonstration: bool = False
    """Where no sandbox for code is to be had, run the maths part instead of refusing."""
    seed: int = Field(default=0, ge=0)
    """Seed of data order, initial weights and sampling."""
    domains: dict[DomainName, VerifierName] = Field(min_length=1)
    """Domain -> verifier (`maths` or `code`); one expert is trained per domain."""
    base: BaseSettings
    """Start of the recipe."""
    compute: ComputeSettings = ComputeSettings()
    """Where stages run."""
    data: DataSettings
    """Problems."""
    sft: SftSettings
    """Expert SFT."""
    probe: ProbeSettings
    """Pass@K probes."""
    selection: SelectionSettings = SelectionSettings()
    """Checkpoint selection."""
    fusion: FusionSettings = FusionSettings()
    """Expert fusion."""
    mgpo: MgpoSettings
    """Reinforcement learning."""
    benchmark: BenchmarkSettings
    """Reported suite."""
    promotion: PromotionSettings
    """Promotion gate."""
    registry: RegistrySettings
    """MLflow names."""
    budget: BudgetSettings
    """Cost."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        known = sorted(self.domains)
        measured = sorted(self.benchmark.domains or self.domains)
        for field, used in [
            ("fusion.weights", self.fusion.weights),
            *((f"mgpo.stages[{s.name}].domains", s.domains) for s in self.mgpo.stages),
        ]:
            unknown = sorted(set(used) - set(known))
            if unknown:
                raise ValueError(f"{field} names {unknown}, not among domains {known}")
        for source in self.data.sources:
            allowed = known if source.role == "train" else measured
            unknown = sorted({source.domain, *source.domain_map.values()} - {*allowed, ""})
            if unknown:
                raise ValueError(f"data.sources[{source.name}] names domains {unknown}, not among {allowed}")
        for field, sampling in [("benchmark", self.benchmark.sampling), ("promotion", self.promotion.sampling)]:
            missing = sorted({*self.domains.values(), *self.benchmark.domains.values()} - set(sampling))
            if missing:
                raise ValueError(f"{field}.sampling has no entry for verifier {missing}")
        names = [s.name for s in self.mgpo.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"mgpo.stages: names must be unique, got {names}")
        low = {k: s.samples for k, s in self.benchmark.sampling.items() if s.samples < self.benchmark.k}
        if low:
            raise ValueError(
                f"benchmark.sampling samples {low} below benchmark.k = {self.benchmark.k}: Pass@K needs n >= K"
            )
        return self
