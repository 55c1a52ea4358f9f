"""The recipe as data: which stages a profile has, what each is made from, and the settings that change its result.

Light on imports: `vibethinker plan` reads it before anything is spent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vibethinker.algorithms.fusion_weights import fusion_weights
from vibethinker.config.profile import Profile
from vibethinker.data.identity import source_digest
from vibethinker.models.identity import model_digest
from vibethinker.runs.fingerprint import fingerprint

VERSIONS = {
    "ingest": 2,
    "decontaminate": 2,
    "split": 2,
    "base": 2,
    "expert": 2,
    "select": 1,
    "fuse": 1,
    "mgpo": 2,
    "benchmark": 3,
    "suite": 2,
}
"""Stage -> version, raised when the stage's golden values change: sealed outputs of older versions are not reused."""


@dataclass(frozen=True)
class Node:
    """One stage of a run, with everything that makes up its identity."""

    name: str
    """E.g. `expert-algebra`."""
    stage: str
    """Module of `vibethinker.stages`."""
    settings: Mapping[str, Any]
    """Settings that change the result."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Input name -> node."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where outside files lie; not part of the identity, which has their digests."""
    together: int = 1
    """How many nodes of this kind may run at once with it."""


def recipe(profile: Profile) -> dict[str, Node]:
    """All nodes in an order in which each comes after its inputs [A 3.2-3.5]."""
    nodes = [*_data(profile), _base(profile), *_spectrum(profile), *_signal(profile), *_benchmarks(profile)]
    return {n.name: n for n in nodes}


def fingerprints(nodes: Mapping[str, Node]) -> dict[str, str]:
    """Node -> identity, known before anything runs."""
    known: dict[str, str] = {}
    for name, node in nodes.items():
        inputs = {i: known[source] for i, source in node.inputs.items()}
        known[name] = fingerprint(node.stage, VERSIONS[node.stage], node.settings, inputs)
    return known


def expert_nodes(profile: Profile) -> list[str]:
    """One per domain, or the single trajectory of the report's literal reading [A 3.3]."""
    return ["expert-all"] if profile.sft.mode == "trajectory" else [f"expert-{d}" for d in profile.domains]


def final_model(profile: Profile) -> str:
    """Node of the model that is registered: the last MGPO stage's."""
    return f"mgpo-{profile.mgpo.stages[-1].name}"


def benchmark_models(profile: Profile) -> dict[str, tuple[str, str]]:
    """Model's name in reports -> (node, folder of the model in its output)."""
    experts = {f"expert-{d}": ("select", f"experts/{d}") for d in profile.domains} if profile.benchmark.experts else {}
    stages = {f"mgpo-{s.name}": (f"mgpo-{s.name}", "model") for s in profile.mgpo.stages}
    return {"base": ("base", "model")} | experts | {"fused": ("fuse", "model")} | stages


def _chat(profile: Profile) -> dict[str, Any]:
    return {"system_prompt": profile.base.system_prompt, "prompt": profile.base.prompt}


def _common(profile: Profile) -> dict[str, Any]:
    grading = {"code": dict(profile.code_limits)}
    compute = profile.compute
    how = {"precision": compute.precision, "engine": compute.engine.kind}
    return {"chat": _chat(profile), "grading": grading, "seed": profile.seed, **how}


def _data(profile: Profile) -> list[Node]:
    sources = [s.model_dump(exclude={"path"}) | {"digest": source_digest(s)} for s in profile.data.sources]
    splits = profile.data.splits
    measured = dict(profile.benchmark.domains or profile.domains)
    return [
        Node(
            "ingest",
            "ingest",
            {"sources": sources, "domains": dict(profile.domains), "measured": measured},
            places={s.name: s.path for s in profile.data.sources if s.path},
        ),
        Node("decontaminate", "decontaminate", profile.data.decontamination.model_dump(), {"ingest": "ingest"}),
        Node(
            "split",
            "split",
            {"sizes": splits.model_dump(exclude={"seed"}), "domains": list(profile.domains), "seed": splits.seed},
            {"clean": "decontaminate", "ingest": "ingest"},
        ),
    ]


def _base(profile: Profile) -> Node:
    base = profile.base
    if base.source == "scratch":
        settings = {"source": "scratch", "scratch": base.scratch.model_dump(), **_common(profile)}
        return Node("base", "base", settings, {"split": "split"})
    longer = {"positions": base.positions} if base.positions else {}
    settings = {"source": "pretrained", "digest": model_digest(base.source, base.revision), **longer}
    return Node("base", "base", settings, places={"model": base.source, "revision": base.revision})


def _spectrum(profile: Profile) -> list[Node]:
    domains = list(profile.domains)
    trained = {"expert-all": domains} if profile.sft.mode == "trajectory" else {f"expert-{d}": [d] for d in domains}
    shared = {"sft": profile.sft.model_dump(exclude={"mode"}), "probe": profile.probe.model_dump(), **_common(profile)}
    experts = [
        Node(name, "expert", {"domains": names, **shared}, {"base": "base", "split": "split"}, together=len(trained))
        for name, names in trained.items()
    ]
    rule = profile.selection.rule
    select = Node("select", "select", {"rule": rule, "domains": domains}, {e.name: e.name for e in experts})
    weights = dict(zip(domains, fusion_weights(domains, profile.fusion.weights), strict=True))
    return [*experts, select, Node("fuse", "fuse", {"weights": weights}, {"experts": "select"})]


def _signal(profile: Profile) -> list[Node]:
    nodes, start = [], "fuse"
    shared = profile.mgpo.model_dump(exclude={"stages"})
    for stage in profile.mgpo.stages:
        settings = {"mgpo": shared, "stage": stage.model_dump(), **_common(profile)}
        nodes.append(Node(f"mgpo-{stage.name}", "mgpo", settings, {"start": start, "split": "split"}))
        start = nodes[-1].name
    return nodes


def _benchmarks(profile: Profile) -> list[Node]:
    """The reported suite for every model, and the promotion set for the final one."""
    sampling = {k: v.model_dump() for k, v in profile.benchmark.sampling.items()}
    models = benchmark_models(profile)
    suite = {"set": "benchmark", "k": profile.benchmark.k, "sampling": sampling, **_common(profile)}
    nodes = [
        Node(
            f"benchmark-{model}",
            "benchmark",
            {"model": model, "folder": folder, **suite},
            {"model": node, "split": "split"},
            together=len(models) + 1,
        )
        for model, (node, folder) in models.items()
    ]
    final = final_model(profile)
    gate = {"set": "promotion", "k": 1, "sampling": {k: v.model_dump() for k, v in profile.promotion.sampling.items()}}
    settings = {"model": final, "folder": "model", **gate, **_common(profile)}
    return [
        *nodes,
        Node(f"gate-{final}", "benchmark", settings, {"model": final, "split": "split"}, together=len(models) + 1),
    ]
