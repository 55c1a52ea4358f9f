"""Readers of the rounds' sealed files, new and old."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from vibethinker.reports.collect import collect
from vibethinker.reports.sealed_spectrum import (
    read_choices,
    read_distilled,
    read_fusion,
    read_hard,
    read_probing,
    read_trajectory,
)
from vibethinker.reports.search_words import bought
from vibethinker.reports.spectrum_data import Bucket, Search


def folder(run: Any, node: str) -> Path:
    path: Path = run.workspace / run.nodes[node]["path"]
    return path


def test_trajectory_with_losses_and_paths(rounds_run: Any) -> None:
    found = read_trajectory(folder(rounds_run, "hard-expert-code"))
    assert (found.node, found.k, [c.step for c in found.checkpoints]) == (
        "hard-expert-code",
        8,
        list(range(0, 201, 40)),
    )
    probe = found.checkpoints[2].probes["code"]
    assert (
        probe.loss == pytest.approx(0.6, abs=0.01) and probe.paths is not None and sorted(probe.pass_at) == [1, 2, 4, 8]
    )


def test_old_files_have_no_losses_paths_or_fusion(whole_run: Any) -> None:
    probe = read_trajectory(folder(whole_run, "expert-code")).checkpoints[1].probes["code"]
    assert (probe.loss, probe.paths) == (None, None)
    rule, choices = read_choices(folder(whole_run, "select"))
    assert rule == "pass_at_k" and {c.loss for c in choices} == {None}
    assert read_fusion(folder(whole_run, "fuse")) is None
    data = collect(whole_run.folder, whole_run.workspace)
    assert data.fusions == () and data.models[0].overall and data.models[0].overall.distinct_paths is None


def test_fusion_with_and_without_a_search(rounds_run: Any) -> None:
    plain, searched = (read_fusion(folder(rounds_run, n)) for n in ("fuse", "hard-fuse"))
    assert plain and plain.search is None and set(plain.weights.values()) == {0.2}
    assert searched and searched.search and searched.search.held_out
    assert searched.weights == searched.search.candidates[1].weights and len(searched.search.candidates) == 13
    assert searched.search.held_out.verdict == "nothing shown"


def test_counts_of_what_models_wrote(rounds_run: Any) -> None:
    traces = read_distilled(folder(rounds_run, "traces"))
    assert [(t.name, t.verified, t.dollars) for t in traces.teachers] == [("qwen", 1500, 0.0), ("served", 600, 1.25)]
    assert traces.dollars == 1.25 and traces.buckets == () and traces.reasons["duplicate"] == 90
    assert read_distilled(folder(rounds_run, "student-traces")).buckets[0] == Bucket(
        "algebra", 16, 215, 40, 0, None, None
    )
    hard = read_hard(folder(rounds_run, "hard-traces"))
    assert (hard.reference, hard.hard, hard.long, hard.kept) == ("fused", 90, 130, 60)
    sets = read_probing(folder(rounds_run, "probing-sets"))
    assert sets.rejected == {"malformed": 11, "duplicates": 9, "contaminated": 4, "disagreed": 26}
    assert sets.written == sets.kept + sum(sets.rejected.values())


def search(tmp_path: Path, chosen: int, low: float, high: float, held_out: bool = True) -> Search:
    """Of two candidates; the difference lies in the middle of low and high."""
    middle = (low + high) / 2
    held = {"problems": 40, "uniform": {"mean": 0.5, "low": 0.4, "high": 0.6}}
    held["chosen"] = {"mean": 0.5 + middle, "low": 0.4, "high": 0.7}
    held["difference"] = {"mean": middle, "low": low, "high": high}
    candidates = [{"weights": {"a": w, "b": 1 - w}, "pass_at_k": w} for w in (0.5, 0.7)]
    raw = {"k": 4, "seed": 0, "candidates": candidates, "chosen": chosen, "held_out": held if held_out else None}
    made = tmp_path / "fuse-000000000000"
    made.mkdir(exist_ok=True)
    (made / "fusion.json").write_bytes(orjson.dumps({"weights": candidates[chosen]["weights"], "search": raw}))
    fusion = read_fusion(made)
    assert fusion and fusion.search
    return fusion.search


def test_what_a_search_bought_in_words(tmp_path: Path) -> None:
    begin = "1 weighting was tried besides the uniform one"
    assert bought(search(tmp_path, 1, 0.02, 0.06)) == (
        f"{begin}. On the 40 held-out problems Pass@4 went from 50.0 to 54.0, +4.0 points (95% interval +2.0 to +6.0): the chosen "
        "weights are better than the uniform ones."
    )
    assert bought(search(tmp_path, 1, -0.06, -0.02)).endswith("the chosen weights are worse than the uniform ones.")
    assert bought(search(tmp_path, 1, -0.02, 0.06)).endswith("nothing shown, since the interval has 0.")
    assert bought(search(tmp_path, 1, 0.0, 0.06)).endswith("nothing shown, since the interval has 0.")
    assert "uniform weights stay and nothing was bought" in bought(search(tmp_path, 0, 0.0, 0.0))
    assert bought(search(tmp_path, 1, 0.02, 0.06, held_out=False)).endswith("was not measured.")
