"""Split: each domain's clean problems into disjoint sets, beside the benchmark as it is."""

from collections import Counter

import orjson

from vibethinker.config.data import SplitSettings
from vibethinker.data.splits import left_out, split
from vibethinker.data.tables import read_problems, set_digest, write_problems
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import open_work


def run(spec: StageSpec) -> Manifest:
    """Seals <set>.parquet for pretrain, sft, probe, rl, promotion, benchmark, and counts.json: rows and digests, and rows in no set."""
    with open_work(spec) as work:
        clean = read_problems(work.input("clean") / "train.parquet")
        sizes = SplitSettings.model_validate(spec.settings["sizes"])
        taught = spec.settings.get("taught", False)
        sets = split(clean, sizes, spec.settings["domains"], spec.settings["seed"], taught)
        unused = left_out(clean, sets)
        sets["benchmark"] = read_problems(work.input("ingest") / "benchmark.parquet")
        for name, problems in sets.items():
            write_problems(work.out / f"{name}.parquet", problems)
        counts: dict[str, dict[str, int | str]] = {
            name: {**Counter(p.domain for p in problems), "digest": set_digest(problems)}
            for name, problems in sets.items()
        }
        counts["left_out"] = dict(unused)
        (work.out / "counts.json").write_bytes(orjson.dumps(counts, option=orjson.OPT_INDENT_2))
        return work.seal({name: len(problems) for name, problems in sets.items()} | {"left_out": sum(unused.values())})
