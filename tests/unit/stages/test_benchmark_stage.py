"""A benchmark stage on a warm tiny model: what scores.json says of its samples."""

import orjson
import pytest

from tests.unit.stages.expert_bench import Bench, both_domains
from vibethinker.algorithms.distinct_paths import group_paths, prose_features
from vibethinker.data.tables import read_samples, write_problems
from vibethinker.runs.work import open_work
from vibethinker.stages.benchmark import run


def test_scores_tell_distinct_correct_paths(expert_bench: Bench) -> None:
    bench = expert_bench
    with open_work(bench.spec("benchmark-split")) as work:
        write_problems(work.out / "benchmark.parquet", both_domains())
        split = bench.sealed("benchmark-split", work.seal({}))
    sampling = {"maths": {"samples": 8, "max_response_tokens": 12}}
    own = {"model": "base", "folder": "model", "set": "benchmark", "k": 4, "sampling": sampling}
    spec = bench.spec("benchmark")
    inputs = {"model": bench.inputs["start"], "split": split}
    manifest = run(spec.model_copy(update={"settings": {**spec.settings, **own}, "inputs": inputs}))
    scores = orjson.loads((spec.folder / "scores.json").read_bytes())
    rows = read_samples(spec.folder / "samples.parquet")
    found = []
    for domain, questions in rows.groupby("domain"):
        right = [list(q[q["status"] == "correct"]["response"]) for _, q in questions.groupby("problem_id")]
        counts = [len(set(group_paths([prose_features(r) for r in responses]))) for responses in right]
        assert scores["domains"][domain]["distinct_paths"] == pytest.approx(sum(counts) / 6)
        assert list(scores["domains"][domain]["paths_among"])[:1] == ["2"]
        found.append(sum(counts) / 6)
    assert len(found) == 2 and max(found) > 0
    assert scores["overall"]["distinct_paths"] == pytest.approx(sum(found) / 2)
    assert manifest.metrics["distinct_paths"] == scores["overall"]["distinct_paths"]
