"""Reports of whole, partial and damaged runs, gathered from what the real writers write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.unit.reports import spectrum_folders
from vibethinker.errors import DataError
from vibethinker.reports.collect import collect
from vibethinker.reports.data import Count, ReportData

pytestmark = pytest.mark.filterwarnings("error")


def test_whole_run(whole_run: Any) -> None:
    data = collect(whole_run.folder, whole_run.workspace)
    assert data.notes == ()
    assert [m.model for m in data.models][:2] == ["base", "expert-algebra"]
    assert [m.model for m in data.models][-4:] == ["fused", "mgpo-maths-short", "mgpo-maths-long", "mgpo-code"]
    assert [h.verdict for h in data.hypotheses] == ["shown", "shown"]
    assert [g.model for g in data.gates] == ["mgpo-code"]
    assert len(data.trajectories) == 5 and [c.step for c in data.choices] == [120] * 5
    assert data.versions["torch"] == "2.11.0"
    assert orjson.loads(orjson.dumps(data.to_json()))["run"]["profile"] == "tiny"


def test_a_run_of_the_second_reports_rounds(rounds_data: ReportData) -> None:
    data = rounds_data
    assert data.notes == ()
    experts = [f"expert-{d}" for d in data.domains]
    assert [m.model for m in data.models] == [
        *("base", *experts, "fused", *(f"hard-{e}" for e in experts), "hard-fused", "mgpo-maths-short", "student"),
    ]
    assert [t.node for t in data.trajectories] == [*experts, *(f"hard-{e}" for e in experts), "student-expert-all"]
    assert [(c.domain, c.node) for c in data.choices[10:]] == [(d, "student-expert-all") for d in data.domains]
    assert data.choices[0].loss == pytest.approx(0.68, abs=0.01) and data.selection_rule == "pass_at_k"
    assert [f.node for f in data.fusions] == ["fuse", "hard-fuse", "student-fuse"]
    assert [t.node for t in data.distilled] == ["traces", "student-traces"]
    assert [h.node for h in data.hard] == ["hard-traces"] and [p.node for p in data.probing] == ["probing-sets"]
    assert [h.name for h in data.hypotheses] == ["H1", "H2", "H1, second round", "H3", "H4"]
    assert {n.tokens for n in data.nodes if n.stage == "expert"} == {60_000}
    score = data.models[0].overall
    assert score and score.paths_among == pytest.approx(
        {2: 1 + 0.5 * score.pass_at_1.mean, 8: 1 + 2 * score.pass_at_1.mean}
    )
    assert orjson.loads(orjson.dumps(data.to_json()))["fusions"][1]["search"]["chosen"] == 1


def test_outputs_are_found_by_their_stage_whatever_they_are_called(new_run: Callable[[], Any]) -> None:
    run = new_run()
    run.expert("algebra")
    run.nodes["expert-algebra"]["status"] = "sealed"
    spectrum_folders.curriculum(run, ["algebra"])
    spectrum_folders.distill(run, "traces", {"t": spectrum_folders.teacher(4, 8)}, ["algebra"])
    data = collect(run.write_run(), run.workspace)
    assert data.charged == 0
    assert [len(rows) for rows in (data.trajectories, data.hard, data.distilled, data.probing)] == [1, 1, 1, 0]


def test_counts_of_the_data_stages(whole_run: Any) -> None:
    counts = collect(whole_run.folder, whole_run.workspace).counts
    assert counts.quarantine == {"tiny-train: no answer": 2}
    assert (counts.hits, counts.dropped) == (3, 2)
    assert counts.sources["tiny-train (train)"]["algebra"] == 50
    assert counts.splits["sft"]["algebra"] == 48 and counts.splits["benchmark"]["code"] == 40


def test_question_counts_are_those_of_the_samples(whole_run: Any) -> None:
    base = collect(whole_run.folder, whole_run.workspace).models[0]
    rows = base.counts["algebra"]
    assert len(rows) == 40 and {c.samples for c in rows.values()} == {16}
    mean = sum(c.correct / c.samples for c in rows.values()) / len(rows)
    assert mean == pytest.approx(base.domains["algebra"].pass_at_1.mean)
    assert isinstance(rows["tiny-benchmark/algebra-0"], Count)


def test_repeated_steps_of_a_later_attempt_count_once(whole_run: Any) -> None:
    stage = collect(whole_run.folder, whole_run.workspace).curves[0]
    assert [s for s, _ in stage.metrics["reward"]] == list(range(1, 41))
    assert [h.step for h in stage.p_c] == list(range(1, 41))


def test_cost_of_this_run_leaves_reused_outputs_out(whole_run: Any) -> None:
    data = collect(whole_run.folder, whole_run.workspace)
    base = next(n for n in data.nodes if n.name == "base")
    assert base.reused and base.seconds == 120 and base.dollars == pytest.approx(120 / 3600 * 0.04)
    assert data.spent == pytest.approx(sum(n.dollars for n in data.nodes) - base.dollars)
    assert data.limit == 0.5


def test_examples_show_one_correct_and_one_other_of_each_domain(whole_run: Any) -> None:
    rows = [e for e in collect(whole_run.folder, whole_run.workspace).examples if e.model == "fused"]
    assert [(e.domain, e.status) for e in rows][:2] == [("algebra", "correct"), ("algebra", "incorrect")]
    assert len(rows) == 10 and rows[0].question.endswith("2 + 2 = ?") and rows[0].gold == "4"


def test_partial_run_reports_what_there_is(new_run: Callable[[], Any]) -> None:
    run = new_run()
    run.data_stages()
    run.expert("algebra")
    run.mgpo("maths-short", 6, 0.4, done=False)
    run.nodes["fuse"] = {"path": "stages/fuse-000000000000", "fingerprint": "0" * 64, "status": "pending"}
    folder = run.write_run("failed", finished=None)
    data = collect(folder, run.workspace)
    assert data.run.status == "failed" and data.models == () and data.examples == ()
    assert [h.verdict for h in data.hypotheses] == ["not measured", "not measured"]
    assert len(data.trajectories) == 1
    assert [c.node for c in data.curves] == ["mgpo-maths-short"]
    assert data.notes == ()


def test_damage_becomes_a_note_and_the_rest_is_reported(new_run: Callable[[], Any]) -> None:
    run = new_run()
    run.data_stages()
    run.output("expert-algebra", {"trajectory.json": b'{"k": 8'})
    select = run.output("select", {"selection.json": b"{}"})
    (select / "selection.json").write_bytes(b"{ }  ")
    data = collect(run.write_run(), run.workspace)
    assert len(data.notes) == 2
    assert any("select has no usable seal" in n for n in data.notes)
    assert any("expert-algebra could not be read" in n for n in data.notes)
    assert data.counts.dropped == 2


def test_missing_run_record_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"run\.json"):
        collect(tmp_path, tmp_path)
