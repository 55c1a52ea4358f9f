"""Decontaminate: training rows that overlap a benchmark question go [A 3.5]."""

import orjson

from vibethinker.data.decontamination import decontaminate
from vibethinker.data.tables import read_problems, write_problems
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import open_work


def run(spec: StageSpec) -> Manifest:
    """Seals train.parquet (clean), hits.jsonl (what was dropped, and for which words), counts.json."""
    with open_work(spec) as work:
        folder = work.input("ingest")
        train = read_problems(folder / "train.parquet")
        clean, hits = decontaminate(train, read_problems(folder / "benchmark.parquet"), spec.settings["ngram"])
        write_problems(work.out / "train.parquet", clean)
        (work.out / "hits.jsonl").write_bytes(b"".join(orjson.dumps(h.model_dump()) + b"\n" for h in hits))
        counts = {"train": len(train), "clean": len(clean), "dropped": len(train) - len(clean), "hits": len(hits)}
        (work.out / "counts.json").write_bytes(orjson.dumps(counts, option=orjson.OPT_INDENT_2))
        return work.seal(counts)
