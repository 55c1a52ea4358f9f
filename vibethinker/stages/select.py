"""Select: M_i* = argmax_t P_i(t) for every domain [A 3.3], or by another rule to compare it with."""

from typing import Any

import orjson

from vibethinker.algorithms.selection import ProbePoint, SelectionRule, select_checkpoint
from vibethinker.errors import DataError
from vibethinker.runs.links import link_tree
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import open_work
from vibethinker.stages.trajectory import probe_points

TOLD = ("step", "pass_at_1", "pass_at_k", "loss")


def run(spec: StageSpec) -> Manifest:
    """Seals selection.json and experts/<domain>/, each in Hugging Face layout."""
    rule: SelectionRule = spec.settings["rule"]
    with open_work(spec) as work:
        folders = {node: work.input(node) for node in spec.inputs}
        trajectories = {
            node: orjson.loads((folder / "trajectory.json").read_bytes()) for node, folder in folders.items()
        }
        experts = {}
        for domain, node in spec.settings["experts"].items():
            best = _best(trajectories[node], domain, rule)
            experts[domain] = {"node": node, **best._asdict()}
            link_tree(folders[node] / "checkpoints" / f"step-{best.step}", work.out / "experts" / domain)
        k = next(iter(trajectories.values()))["k"]
        selection = {"rule": rule, "k": k, "experts": experts}
        (work.out / "selection.json").write_bytes(orjson.dumps(selection, option=orjson.OPT_INDENT_2))
        return work.seal({f"{d}/{name}": e[name] for d, e in experts.items() for name in TOLD if e[name] is not None})


def _best(trajectory: dict[str, Any], domain: str, rule: SelectionRule) -> ProbePoint:
    """Raises DataError where the rule needs a held-out loss and the domain has none."""
    points = probe_points(trajectory["checkpoints"], domain, trajectory["k"])
    if rule == "loss" and all(point.loss is None for point in points):
        raise DataError(
            f"selection.rule is loss, but no probing problem of domain {domain} has a trace within sft.max_length to measure it "
            "on; give probing problems traces, raise sft.max_length, or set selection.rule to pass_at_k"
        )
    return select_checkpoint(points, rule)
