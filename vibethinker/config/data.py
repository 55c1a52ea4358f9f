"""Where problems come from, how they are cleaned and divided."""

import operator
import re
from collections.abc import Iterable
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from vibethinker.config.base import Settings


class SourceSettings(Settings):
    """One source of problems. Exactly one of `generator`, `path`, `hub` and `benchmark` says where its rows are.

    Fields that came later are left out of the settings' identity while they are empty: runs from before keep theirs.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)
    """Name of the source: appears in problem ids, manifests and reports."""
    role: Literal["train", "benchmark"]
    """`train` rows are decontaminated and split into sft, probe, rl, promotion; `benchmark` rows only measure."""
    generator: Literal["", "tiny"] = ""
    """A seeded generator of this package (`tiny`), or empty."""
    path: str = ""
    """A .jsonl, .json, .jsonl.gz, .parquet or .csv file; `$VIBETHINKER_DATA/...` and other variables are expanded."""
    hub: str = ""
    """A Hugging Face data set id."""
    benchmark: str = ""
    """A shipped benchmark, or its .yaml file, with rows, columns, count and tests as it says; taken from the folder that
    VIBETHINKER_DATA names where that has its files, else from the hub."""
    revision: str = ""
    """Hub revision (a commit), so that the rows stay the same."""
    config: str = ""
    """Hub configuration name."""
    split: str = ""
    """Hub split."""
    question: str = Field(default="question", min_length=1)
    """Column of the question."""
    answer: str = Field(default="answer", min_length=1)
    """Column of the gold answer, or of a solution from which `answer_pattern` takes it."""
    answer_pattern: str = ""
    """Regular expression with one group that finds the gold answer in the answer column (GSM8K: `#### (.+)$`)."""
    unlabelled: bool = Field(default=False, exclude_if=operator.not_)
    """Whether maths and choice rows may lack the gold answer: teachers' majority then labels them, and they serve SFT only."""
    trace: str = ""
    """Column of a correct solution; empty where there is none."""
    messages: str = Field(default="", exclude_if=operator.not_)
    """Column with a conversation, a list of {"role", "content"}: its last user message is the question (`question` is not
    read), the assistant's after it the trace, all before it the turns. A system prompt of its own goes before the profile's."""
    tests: str = Field(default="tests", min_length=1)
    """Column with the list of assert lines of code problems."""
    domain: str = ""
    """Domain of every row; empty takes `domain_column`."""
    domain_column: str = ""
    """Column that names the domain, mapped by `domain_map`."""
    domain_map: dict[str, str] = {}
    """Value of `domain_column` -> domain; rows whose value is not listed are left out and counted."""
    limit: int = Field(default=0, ge=0)
    """Rows taken per domain, after a seeded shuffle; 0 takes all. For a generator: rows generated per domain."""
    skip: int = Field(default=0, ge=0)
    """Generator only: rows of its stream passed over first, so that two sources with one seed are disjoint."""
    seed: int = Field(default=0, ge=0)
    """Seed of the generator or of the shuffle before `limit`."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        given = [k for k in ("generator", "path", "hub", "benchmark") if getattr(self, k)]
        if len(given) != 1:
            raise ValueError(
                f"source {self.name!r} gives {given or 'none'} of generator, path, hub, benchmark; give exactly one of them"
            )
        if self.generator and not self.limit:
            raise ValueError(f"source {self.name!r} is generated: give limit, the rows per domain")
        if not self.generator and not self.domain and not self.domain_column:
            raise ValueError(f"source {self.name!r} gives no domain: set domain, or domain_column with domain_map")
        return self

    @model_validator(mode="after")
    def _complete(self) -> Self:
        name = f"source {self.name!r}"
        if self.hub and not self.split:
            raise ValueError(f"{name}: hub {self.hub!r} needs a split, e.g. split: train")
        if not self.hub and (idle := [k for k in ("revision", "config", "split") if getattr(self, k)]):
            raise ValueError(f"{name} gives {idle}, which only a hub source has; take them out, or give hub")
        if self.skip and not self.generator:
            raise ValueError(f"{name} gives skip {self.skip}, which only a generator has; take it out")
        if self.messages and (idle := [k for k in ("generator", "benchmark", "trace") if getattr(self, k)]):
            raise ValueError(f"{name} gives messages and {idle}, which bring traces of their own; give one of the two")
        if self.unlabelled and self.role != "train":
            raise ValueError(
                f"{name} has role {self.role} and unlabelled: true; what measures needs its answers: take it out"
            )
        if self.benchmark and (self.role != "benchmark" or not self.domain):
            raise ValueError(
                f"{name}: benchmark {self.benchmark!r} needs role: benchmark, and the domain that its questions are reported under"
            )
        if bool(self.domain_column) != bool(self.domain_map) and not self.domain:
            raise ValueError(
                f"{name}: domain_column {self.domain_column!r} and domain_map {self.domain_map} belong together: give both"
            )
        if self.domain and self.domain_column:
            raise ValueError(
                f"{name} gives domain {self.domain!r} and domain_column {self.domain_column!r}; give one of the two"
            )
        return self

    @field_validator("answer_pattern")
    @classmethod
    def _one_group(cls, value: str) -> str:
        try:
            groups = re.compile(value).groups
        except re.error as error:
            raise ValueError(f"it is no regular expression: {error}; correct it") from error
        if value and groups != 1:
            raise ValueError(
                f"it has {groups} groups and needs exactly one, around the answer (write other groups as (?:...))"
            )
        return value

    @property
    def has_traces(self) -> bool:
        """Whether its rows may have solutions."""
        return bool(self.generator or self.trace or self.messages)

    def gives(self, domains: Iterable[str]) -> set[str]:
        """Domains that its rows may have; `domains`: those of its role."""
        if self.domain:
            return {self.domain}
        return set(domains) if self.generator else set(self.domain_map.values())


class DecontaminationSettings(Settings):
    """Training rows that overlap a benchmark row go [A 3.5]."""

    ngram: int = Field(default=10, ge=2, le=50)
    """Words in a row that must match; the report uses 10 [A 3.5]. Shorter benchmark questions match as a whole."""


class SplitSettings(Settings):
    """How each domain's clean training problems are divided; what remains is for expert SFT. Counts are per domain."""

    seed: int = Field(default=0, ge=0)
    """Seed of the division. Not the profile's: models of two seeds are compared on one promotion set."""
    pretrain: int = Field(default=0, ge=0)
    """Problems for a from-scratch base model's broad training; 0 where the base is a given model."""
    probe: int = Field(ge=1)
    """Probing set D_i [A 3.3]."""
    rl: int = Field(ge=1)
    """Problems for MGPO."""
    promotion: int = Field(ge=1)
    """Problems of the promotion gate, apart from the reported benchmark."""


class DataSettings(Settings):
    """Sources, decontamination, splits."""

    sources: tuple[SourceSettings, ...] = Field(min_length=1)
    """All sources; at least one with role train and one with role benchmark."""
    decontamination: DecontaminationSettings = DecontaminationSettings()
    """The 10-gram rule [A 3.5]."""
    splits: SplitSettings
    """Sizes of the disjoint sets per domain."""

    @model_validator(mode="after")
    def _roles(self) -> Self:
        names = [s.name for s in self.sources]
        if len(set(names)) != len(names):
            raise ValueError(f"data.sources: names must be unique, got {names}")
        for role in ("train", "benchmark"):
            if not any(s.role == role for s in self.sources):
                raise ValueError(f"data.sources: none has role {role!r}; add one")
        return self
