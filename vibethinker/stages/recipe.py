"""The recipe as data: which stages a profile has, what each is made from, and the settings that change its result.

Light on imports: `vibethinker plan` reads it before anything is spent.
"""

from collections.abc import Mapping

from vibethinker.config.profile import Profile
from vibethinker.data.identity import source_digest
from vibethinker.models.identity import model_digest
from vibethinker.runs.fingerprint import fingerprint
from vibethinker.stages.node import Node, common
from vibethinker.stages.rounds import MODEL, Round, spectrum, student

VERSIONS = {
    "ingest": 3,
    "decontaminate": 2,
    "split": 3,
    "base": 3,
    "distill": 1,
    "probing": 1,
    "curriculum": 1,
    "expert": 3,
    "select": 2,
    "fuse": 2,
    "mgpo": 2,
    "benchmark": 4,
    "suite": 2,
}
"""Stage -> version, raised when the stage's golden values change: sealed outputs of older versions are not reused."""


def recipe(profile: Profile) -> dict[str, Node]:
    """All nodes in an order in which each comes after its inputs [A 3.2-3.5]."""
    after = student(profile)
    rounds = [n for turn in spectrum(profile) for n in turn.nodes]
    ending = [*(after.nodes if after else ()), *_benchmarks(profile)]
    nodes = [*_data(profile), _base(profile), *rounds, *_signal(profile), *ending]
    return {n.name: n for n in nodes}


def fingerprints(nodes: Mapping[str, Node]) -> dict[str, str]:
    """Node -> identity, known before anything runs."""
    known: dict[str, str] = {}
    for name, node in nodes.items():
        inputs = {i: known[source] for i, source in node.inputs.items()}
        known[name] = fingerprint(node.stage, VERSIONS[node.stage], node.settings, inputs)
    return known


def final_model(profile: Profile) -> str:
    """Name of the model that is registered: the student's, or the last MGPO stage's."""
    return "student" if profile.self_distillation else f"mgpo-{profile.mgpo.stages[-1].name}"


def benchmark_models(profile: Profile) -> dict[str, tuple[str, str]]:
    """Model's name in reports -> (node, folder of the model in its output), in the order in which they are made."""
    rounds, after = spectrum(profile), student(profile)
    found = {"base": ("base", MODEL)}
    for turn in rounds:
        found |= _fused(turn, profile)
    found |= {f"mgpo-{s.name}": (f"mgpo-{s.name}", MODEL) for s in profile.mgpo.stages}
    return found | ({"student": (after.fuse.name, MODEL)} if after else {})


def _fused(turn: Round, profile: Profile) -> dict[str, tuple[str, str]]:
    """A round's experts, where they are measured, and their fusion."""
    prefix = f"{turn.name}-" if turn.name else ""
    experts = list(profile.domains) if profile.benchmark.experts else []
    selected = {f"{prefix}expert-{d}": (turn.select.name, f"experts/{d}") for d in experts}
    return selected | {f"{prefix}fused": (turn.fuse.name, MODEL)}


def _data(profile: Profile) -> list[Node]:
    sources = [s.model_dump(exclude={"path"}) | {"digest": source_digest(s)} for s in profile.data.sources]
    splits = profile.data.splits
    measured = dict(profile.benchmark.domains or profile.domains)
    taught = {"taught": True} if profile.distillation else {}  # then problems without a trace are for SFT too
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
            {
                "sizes": splits.model_dump(exclude={"seed"}),
                "domains": list(profile.domains),
                "seed": splits.seed,
                **taught,
            },
            {"clean": "decontaminate", "ingest": "ingest"},
        ),
    ]


def _base(profile: Profile) -> Node:
    base = profile.base
    if base.source == "scratch":
        settings = {"source": "scratch", "scratch": base.scratch.model_dump(), **common(profile)}
        return Node("base", "base", settings, {"split": "split"})
    longer = {"positions": base.positions} if base.positions else {}
    settings = {"source": "pretrained", "digest": model_digest(base.source, base.revision), **longer}
    return Node("base", "base", settings, places={"model": base.source, "revision": base.revision})


def _signal(profile: Profile) -> list[Node]:
    nodes, start = [], spectrum(profile)[-1].fuse.name
    shared = profile.mgpo.model_dump(exclude={"stages"})
    for stage in profile.mgpo.stages:
        settings = {"mgpo": shared, "stage": stage.model_dump(), **common(profile)}
        nodes.append(Node(f"mgpo-{stage.name}", "mgpo", settings, {"start": start, "split": "split"}))
        start = nodes[-1].name
    return nodes


def _benchmarks(profile: Profile) -> list[Node]:
    """The reported suite for every model, and the promotion set for the final one."""
    sampling = {k: v.model_dump() for k, v in profile.benchmark.sampling.items()}
    models = benchmark_models(profile)
    suite = {"set": "benchmark", "k": profile.benchmark.k, "sampling": sampling, **common(profile)}
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
    final, place = final_model(profile), models[final_model(profile)]
    gate = {"set": "promotion", "k": 1, "sampling": {k: v.model_dump() for k, v in profile.promotion.sampling.items()}}
    settings = {"model": final, "folder": place[1], **gate, **common(profile)}
    inputs = {"model": place[0], "split": "split"}
    return [*nodes, Node(f"gate-{final}", "benchmark", settings, inputs, together=len(models) + 1)]
