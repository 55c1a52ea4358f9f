"""Split: each domain's clean problems into disjoint sets, beside the benchmark as it is."""

import orjson

from vibethinker.config.data import SplitSettings
from vibethinker.data.splits import split
from vibethinker.data.tables import read_problems, set_digest, write_problems
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import open_work


def run(spec: StageSpec) -> Manifest:
    """Seals <set>.parquet for pretrain, sft, probe, rl, promotion, benchmark, and counts.json with their digests."""
    with open_work(spec) as work:
        clean = read_problems(work.input("clean") / "train.parquet")
        sizes = SplitSettings.model_validate(spec.settings["sizes"])
        sets = split(clean, sizes, spec.settings["domains"], spec.settings["seed"])
        sets["benchmark"] = read_problems(work.input("ingest") / "benchmark.parquet")
        for name, problems in sets.items():
            write_problems(work.out / f"{name}.parquet", problems)
        counts = {
            name: {d: sum(p.domain == d for p in problems) for d in spec.settings["domains"]}
            | {"digest": set_digest(problems)}
            for name, problems in sets.items()
        }
        (work.out / "counts.json").write_bytes(orjson.dumps(counts, option=orjson.OPT_INDENT_2))
        return work.seal({name: len(problems) for name, problems in sets.items()})
