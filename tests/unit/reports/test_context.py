"""The papers' figures appear only beside benchmarks of the same name."""

from vibethinker.reports.context import context, reported_results
from vibethinker.reports.data import Count, ModelScores


def settings(*names: str) -> dict[str, object]:
    return {
        "data": {"sources": [{"name": n, "role": "benchmark"} for n in names] + [{"name": "aime24", "role": "train"}]}
    }


def model(name: str) -> ModelScores:
    counts = {"algebra": {"math500/1": Count(4, 2), "math500/2": Count(4, 4), "other/1": Count(4, 0)}}
    return ModelScores(name, 4, {}, "d", {}, None, counts)


def test_the_table_is_the_reports() -> None:
    rows = {(r["report"], r["model"]): r for r in reported_results()}
    assert rows["1.5B", "VibeThinker-1.5B"]["aime24"] == "80.3" and rows["3B", "VibeThinker-3B"]["ifbench"] == "74.5"


def test_own_figures_are_per_source() -> None:
    names = ("base", "expert-algebra", "fused", "hard-expert-algebra", "hard-fused", "student")
    found = context([model(n) for n in names], settings("math500", "gpqa-diamond"))
    assert found is not None
    assert found.columns == ("math500", "gpqa_diamond")
    assert found.ours == tuple((n, (75.0, None)) for n in ("base", "fused", "hard-fused", "student"))
    assert ("VibeThinker-1.5B (1.5B)", (95.0, 46.7)) in found.theirs
    assert all(any(v is not None for v in values) for _, values in found.theirs)


def test_other_benchmarks_have_no_context() -> None:
    assert context([model("base")], settings("tiny-benchmark")) is None
    assert context([model("base")], {}) is None
