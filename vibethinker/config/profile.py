"""A profile: everything `vibethinker run` needs to know, in one file."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from vibethinker.config.base import Settings
from vibethinker.config.data import DataSettings
from vibethinker.config.distillation import (
    DistillationSettings,
    ProbingSetSettings,
    SelfDistillationSettings,
    TeacherSettings,
)
from vibethinker.config.mgpo import MgpoSettings
from vibethinker.config.model import BaseSettings
from vibethinker.config.run import RunSettings
from vibethinker.config.sft import SftSettings
from vibethinker.config.training import FusionSettings, ProbeSettings, SamplingSettings, SelectionSettings
from vibethinker.records import VerifierName

DomainName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
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
    """The lower end of the paired interval of (candidate - champion) must lie above this."""
    interval: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of that interval: a paired bootstrap over questions."""


class Profile(RunSettings):
    """One run of the recipe."""

    demonstration: bool = False
    """Where no sandbox for code is to be had, run the maths part instead of refusing."""
    domains: dict[DomainName, VerifierName] = Field(min_length=1)
    """Domain -> verifier (`maths`, `choice` or `code`); one expert is trained per domain."""
    base: BaseSettings
    """Start of the recipe."""
    data: DataSettings
    """Problems."""
    code_limits: dict[str, float] = {}
    """Limits of one program that differ from those for small tests, by the names of the sandbox's settings."""
    distillation: DistillationSettings | None = None
    """Teachers that write traces for the SFT problems [B]; null takes the sources' own."""
    sft: SftSettings
    """Expert SFT."""
    probing_set: ProbingSetSettings | None = None
    """Probing problems written by a language model [A 3.3]; null takes held-out ones."""
    probe: ProbeSettings
    """Pass@K probes."""
    selection: SelectionSettings = SelectionSettings()
    """Checkpoint selection."""
    fusion: FusionSettings = FusionSettings()
    """Expert fusion."""
    mgpo: MgpoSettings
    """Reinforcement learning."""
    self_distillation: SelfDistillationSettings | None = None
    """Offline self-distillation after it [B]; null for none [A]."""
    benchmark: BenchmarkSettings
    """Reported suite."""
    promotion: PromotionSettings
    """Promotion gate."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        known = sorted(self.domains)
        measured = sorted(self.benchmark.domains or self.domains)
        for field, used in [
            ("fusion.weights", self.fusion.weights),
            *((f"mgpo.stages[{s.name}].domains", s.domains) for s in self.mgpo.stages),
            *((f"distillation.teachers[{t.name}].domains", t.domains) for t in self._teachers),
        ]:
            unknown = sorted(set(used) - set(known))
            if unknown:
                raise ValueError(f"{field} names {unknown}, not among domains {known}")
        for source in self.data.sources:
            allowed = known if source.role == "train" else measured
            unknown = sorted({source.domain, *source.domain_map.values()} - {*allowed, ""})
            if unknown:
                raise ValueError(f"data.sources[{source.name}] names domains {unknown}, not among {allowed}")
        for field, sampling, asked in [
            ("benchmark", self.benchmark.sampling, {*self.domains.values(), *self.benchmark.domains.values()}),
            ("promotion", self.promotion.sampling, set(self.domains.values())),
        ]:
            missing = sorted(asked - set(sampling))
            if missing:
                raise ValueError(f"{field}.sampling has no entry for verifier {missing}")
        if "all" in self.domains:
            raise ValueError("domains names 'all', which is the name of the expert of all domains; choose another")
        if self.probing_set and (odd := sorted(d for d, v in self.domains.items() if v == "constraints")):
            raise ValueError(
                f"probing_set: a model writes problems for maths, choice and code, not for {odd}; take out one of the two"
            )
        names = [s.name for s in self.mgpo.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"mgpo.stages: names must be unique, got {names}")
        low = {k: s.samples for k, s in self.benchmark.sampling.items() if s.samples < self.benchmark.k}
        if low:
            raise ValueError(
                f"benchmark.sampling samples {low} below benchmark.k = {self.benchmark.k}: Pass@K needs n >= K"
            )
        return self

    @model_validator(mode="after")
    def _covered(self) -> Self:
        """Every domain has a source that may give it; whether that has such rows is seen at ingest."""
        wanted = {"train": ("domains", self.domains), "benchmark": ("benchmark.domains", self._measured)}
        for role, (field, domains) in wanted.items():
            sources = [s for s in self.data.sources if s.role == role]
            missing = sorted(set(domains) - {d for s in sources for d in s.gives(domains)})
            if missing:
                raise ValueError(
                    f"{field} names {missing}, for which none of the {role} sources {[s.name for s in sources]} has problems; "
                    f"add a source with role {role}, or take it out"
                )
        traced = {d for s in self.data.sources if s.role == "train" and s.has_traces for d in s.gives(self.domains)}
        for teacher in self._teachers:
            traced |= set(teacher.domains or self.domains)
        if untaught := sorted(set(self.domains) - traced):
            raise ValueError(
                f"domains names {untaught}, for which no train source has solutions to fine-tune on; name their column with "
                "the source's trace, or name teachers under distillation"
            )
        if not self._teachers and (open_ := [s.name for s in self.data.sources if s.unlabelled]):
            raise ValueError(
                f"data.sources {open_} are unlabelled, and only distillation can give their problems answers; add distillation, "
                "or take them out"
            )
        return self

    @model_validator(mode="after")
    def _fits_scratch(self) -> Self:
        """A from-scratch base has problems to learn from, and positions for what it is asked; a given model's are its own affair."""
        positions = self.base.scratch.max_length
        if self.base.source == "scratch" and not self.data.splits.pretrain:
            raise ValueError("data.splits.pretrain is 0, and base.source scratch learns from these problems: give some")
        if self.base.source == "scratch" and self.sft.max_length > positions:
            raise ValueError(
                f"sft.max_length is {self.sft.max_length}, above base.scratch.max_length = {positions}; lower it, or raise that"
            )
        windows = {k: w for k, w in self.windows.items() if w >= positions}
        if self.base.source == "scratch" and windows:
            raise ValueError(
                f"{windows} leave no room for a prompt in base.scratch.max_length = {positions}; lower them, or raise that"
            )
        return self

    @model_validator(mode="after")
    def _fits_engine(self) -> Self:
        engine, end = self.compute.engine, "max_response_tokens"
        teachers = {
            f"distillation.teachers[{t.name}].sampling.{end}": t.sampling.max_response_tokens
            for t in self._teachers
            if t.source
        }
        beyond = {field: window for field, window in (self.windows | teachers).items() if window >= engine.max_length}
        if engine.kind != "transformers" and engine.max_length and beyond:
            raise ValueError(
                f"compute.engine.max_length is {engine.max_length}, prompt and response together, and leaves no room for a "
                f"prompt beside {beyond}; raise it, or lower these windows"
            )
        return self

    @property
    def _teachers(self) -> tuple[TeacherSettings, ...]:
        return self.distillation.teachers if self.distillation else ()

    @property
    def _measured(self) -> dict[str, VerifierName]:
        """Groups of the reported benchmark."""
        return dict(self.benchmark.domains or self.domains)

    @property
    def windows(self) -> dict[str, int]:
        """Field -> longest response in tokens."""
        end = "max_response_tokens"
        suites = {"benchmark": self.benchmark.sampling, "promotion": self.promotion.sampling}
        asked = {
            "sft.curriculum": self.sft.curriculum and self.sft.curriculum.sampling,
            "self_distillation": self.self_distillation and self.self_distillation.sampling,
        }
        return {
            f"probe.sampling.{end}": self.probe.sampling.max_response_tokens,
            **{f"{field}.sampling.{end}": s.max_response_tokens for field, s in asked.items() if s},
            **{f"mgpo.stages[{s.name}].{end}": s.max_response_tokens for s in self.mgpo.stages},
            **{
                f"{suite}.sampling.{v}.{end}": s.max_response_tokens
                for suite, by in suites.items()
                for v, s in by.items()
            },
        }
