"""Select: M_i* = argmax_t P_i(t) for every domain [A 3.3]."""

import shutil

import orjson

from vibethinker.algorithms.selection import select_checkpoint
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import open_work
from vibethinker.stages.trajectory import probe_points


def run(spec: StageSpec) -> Manifest:
    """Seals selection.json and experts/<domain>/, each in Hugging Face layout."""
    rule = spec.settings["rule"]
    with open_work(spec) as work:
        folders = {node: work.input(node) for node in spec.inputs}
        trajectories = {
            node: orjson.loads((folder / "trajectory.json").read_bytes()) for node, folder in folders.items()
        }
        experts = {}
        for domain, node in spec.settings["experts"].items():
            trajectory = trajectories[node]
            best = select_checkpoint(probe_points(trajectory["checkpoints"], domain, trajectory["k"]), rule)
            experts[domain] = {"node": node, **best._asdict()}
            source = folders[node] / "checkpoints" / f"step-{best.step}"
            shutil.copytree(source, work.out / "experts" / domain, ignore=shutil.ignore_patterns("probe.json"))
        k = next(iter(trajectories.values()))["k"]
        selection = {"rule": rule, "k": k, "experts": experts}
        (work.out / "selection.json").write_bytes(orjson.dumps(selection, option=orjson.OPT_INDENT_2))
        return work.seal(
            {f"{d}/{name}": e[name] for d, e in experts.items() for name in ("step", "pass_at_1", "pass_at_k")}
        )
