"""The spectrum's rounds as nodes: traces, experts in parallel, selection, fusion [A 3.3].

The first report has one round. The second adds one on hard problems, and one for a student of the RL checkpoints [B]:
the same stages with other traces and another start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vibethinker.algorithms.fusion_weights import fusion_weights
from vibethinker.config.distillation import TeacherSettings
from vibethinker.config.profile import Profile
from vibethinker.config.sft import SftSettings
from vibethinker.errors import ConfigError
from vibethinker.models.identity import model_digest
from vibethinker.stages.node import Node, common, served

MODEL = "model"
"""Folder of the model in the output of a stage that makes one."""
PRICE = "price:"
"""Place of what an endpoint charges, before a teacher's name: a price changes no response, so it is in no identity."""
FINAL = "final"
"""Folder of the last checkpoint in an expert's output."""


@dataclass(frozen=True)
class Round:
    """One pass of traces, expert SFT, selection and fusion."""

    name: str
    """Empty for the first, `hard`, `student`."""
    traces: tuple[Node, ...]
    """What makes the traces and the probing sets, one after the other."""
    experts: tuple[Node, ...]
    """In parallel."""
    select: Node
    fuse: Node

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All, each after its inputs."""
        return (*self.traces, *self.experts, self.select, self.fuse)


def spectrum(profile: Profile) -> list[Round]:
    """The rounds before reinforcement learning."""
    made = [*_distilled(profile), *_probing_sets(profile)]
    starts = dict.fromkeys(_experts(profile), ("base", MODEL))
    first = _round(profile, "", made, starts, _traces(profile), profile.sft)
    return [first, _hard(profile, first)] if profile.sft.curriculum else [first]


def student(profile: Profile) -> Round | None:
    """Offline self-distillation: the RL checkpoints' own traces, and a student trained on them [B]."""
    how = profile.self_distillation
    if how is None:
        return None
    before = spectrum(profile)[-1].fuse.name
    teachers = {f"mgpo-{s.name}": list(s.domains) for s in profile.mgpo.stages}
    settings = {
        "teachers": [
            {"name": name, "domains": domains, "sampling": how.sampling.model_dump()}
            for name, domains in teachers.items()
        ],
        "keep": how.keep,
        "potential": how.model_dump(include={"buckets", "band", "min_tokens"}),
        "ngram": profile.data.decontamination.ngram,
        **common(profile),
    }
    inputs = {"split": "split", "ingest": "ingest", "student": before, **{name: name for name in teachers}}
    traces = Node("student-traces", "distill", settings, inputs)
    sft = profile.sft.model_copy(update={"mode": "trajectory", "epochs": how.epochs, "curriculum": None})
    return _round(profile, "student", [traces], {"all": (before, MODEL)}, traces.name, sft)


def _hard(profile: Profile, first: Round) -> Round:
    """The second round of [B]: problems that a reference model mostly fails, with long traces."""
    how = profile.sft.curriculum
    assert how is not None
    reference = first.fuse.name if how.reference == "fused" else "base"
    settings = {**how.model_dump(exclude={"epochs", "start"}), "domains": list(profile.domains), **common(profile)}
    traces = Node("hard-traces", "curriculum", settings, {"reference": reference, "traces": _traces(profile)})
    starts = {
        expert: {
            "final": (node.name, FINAL),
            "selected": (first.select.name, f"experts/{expert}"),
            "fused": (first.fuse.name, MODEL),
        }[how.start]
        for expert, node in zip(_experts(profile), first.experts, strict=True)
    }
    sft = profile.sft.model_copy(update={"epochs": how.epochs, "curriculum": None})
    return _round(profile, "hard", [traces], starts, traces.name, sft)


def _round(
    profile: Profile,
    name: str,
    made: list[Node],
    starts: Mapping[str, tuple[str, str]],
    traces: str,
    sft: SftSettings,
) -> Round:
    """starts: expert -> (node, folder of the model in its output); traces: the node that has sft.parquet."""
    prefix, domains = f"{name}-" if name else "", list(profile.domains)
    probes = "probing-sets" if profile.probing_set else "split"
    shared = {
        "sft": sft.model_dump(exclude={"mode", "curriculum"}),
        "probe": profile.probe.model_dump(),
        **common(profile),
    }
    experts = tuple(
        Node(
            f"{prefix}expert-{expert}",
            "expert",
            {"domains": domains if expert == "all" else [expert], "start": folder, **shared},
            {"start": node, "traces": traces, "probes": probes},
            together=len(starts),
        )
        for expert, (node, folder) in starts.items()
    )
    source = {d: f"{prefix}expert-{'all' if 'all' in starts else d}" for d in domains}
    settings = {"rule": profile.selection.rule, "experts": source}
    select = Node(f"{prefix}select", "select", settings, {e.name: e.name for e in experts})
    return Round(name, tuple(made), experts, select, _fuse(profile, f"{prefix}fuse", select.name, probes))


def _fuse(profile: Profile, name: str, select: str, probes: str) -> Node:
    domains, search = list(profile.domains), profile.fusion.search
    weights = dict(zip(domains, fusion_weights(domains, profile.fusion.weights), strict=True))
    if search is None:
        return Node(name, "fuse", {"weights": weights}, {"experts": select})
    settings = {
        "weights": weights,
        "search": search.model_dump(),
        "probe": profile.probe.model_dump(),
        **common(profile),
    }
    return Node(name, "fuse", settings, {"experts": select, "probes": probes})


def _experts(profile: Profile) -> list[str]:
    """One per domain, or the single trajectory of the report's literal reading [A 3.3]."""
    return ["all"] if profile.sft.mode == "trajectory" else list(profile.domains)


def _traces(profile: Profile) -> str:
    return "traces" if profile.distillation else "split"


def _distilled(profile: Profile) -> list[Node]:
    """Teachers' traces for the SFT problems [B]."""
    how = profile.distillation
    if how is None:
        return []
    settings = {
        **how.model_dump(exclude={"teachers"}),
        "teachers": [_teacher(t) for t in how.teachers],
        "ngram": profile.data.decontamination.ngram,
        **common(profile),
    }
    places = {t.name: t.endpoint.model_dump_json() if t.endpoint else t.source for t in how.teachers}
    places |= {f"{PRICE}{t.name}": t.price.model_dump_json() for t in how.teachers if t.endpoint}
    return [Node("traces", "distill", settings, {"split": "split", "ingest": "ingest"}, places)]


def _teacher(teacher: TeacherSettings) -> dict[str, Any]:
    asked = {"name": teacher.name, "domains": list(teacher.domains), "sampling": teacher.sampling.model_dump()}
    if teacher.endpoint:
        return {**asked, "endpoint": served(teacher.endpoint)}
    try:
        digest = model_digest(teacher.source, teacher.revision)
    except ConfigError as error:
        field = f"distillation.teachers[{teacher.name}].source"
        raise ConfigError(str(error).replace("base.source", field)) from error
    return {**asked, "digest": digest, "revision": teacher.revision}


def _probing_sets(profile: Profile) -> list[Node]:
    """Probing problems that a language model writes [A 3.3]."""
    how = profile.probing_set
    if how is None:
        return []
    settings = {
        **how.model_dump(exclude={"endpoint", "price"}),
        "endpoint": served(how.endpoint),
        "domains": dict(profile.domains),
        "ngram": profile.data.decontamination.ngram,
        **common(profile),
    }
    places = {"endpoint": how.endpoint.model_dump_json(), PRICE: how.price.model_dump_json()}
    return [Node("probing-sets", "probing", settings, {"split": "split", "ingest": "ingest"}, places)]
