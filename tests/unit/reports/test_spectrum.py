"""What the pictures of the rounds show (their looks are judged by eye)."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vibethinker.algorithms.statistics import mean_interval
from vibethinker.reports.collect import collect
from vibethinker.reports.data import Checkpoint, Choice, Probe, ReportData, Trajectory
from vibethinker.reports.spectrum_cost import spectrum_cost
from vibethinker.reports.spectrum_curves import spectrum
from vibethinker.reports.spectrum_fusion import fusions
from vibethinker.reports.spectrum_paths import paths
from vibethinker.reports.spectrum_rules import Run, runs
from vibethinker.reports.spectrum_trajectories import trajectories


@pytest.fixture(scope="module")
def old(whole_run: Any) -> ReportData:
    return collect(whole_run.folder, whole_run.workspace)


@pytest.fixture(scope="module")
def data(rounds_data: ReportData) -> ReportData:
    return rounds_data


def marks(figure: Figure | None, label: str) -> list[float]:
    """Steps at which the mark stands, panel by panel."""
    assert figure is not None
    found = [c for axis in figure.axes for c in axis.collections if c.get_label() == label]
    return [float(np.asarray(mark.get_offsets())[0, 0]) for mark in found]


def titles(figure: Figure | None) -> list[str]:
    assert figure is not None
    return [t for a in figure.axes if (t := a.get_title(loc="left"))]


def line(axis: Axes, label: str) -> tuple[list[float], list[float]]:
    found = next(row for row in axis.lines if row.get_label() == label)
    return np.asarray(found.get_xdata()).tolist(), np.asarray(found.get_ydata()).tolist()


def test_trajectories_mark_the_selected_checkpoint(old: ReportData) -> None:
    figure = trajectories(old)
    assert titles(figure) == list(old.domains)
    assert marks(figure, "selected checkpoint") == [120.0] * 5
    assert figure and len(figure.axes) == 5  # no losses, no strips


@pytest.mark.parametrize("turn", ["", "hard", "student"])
def test_every_round_has_its_losses_and_what_other_rules_would_have_selected(data: ReportData, turn: str) -> None:
    figure = trajectories(data, turn)
    assert figure and titles(figure) == list(data.domains) and len(figure.axes) == 10
    for label, step in (("selected checkpoint", 120), ("by Pass@1", 200), ("by held-out loss", 80), ("the last", 200)):
        assert marks(figure, label) == [step] * 5
    assert marks(figure, "by Pass@K") == []  # the rule in use
    strip = figure.axes[1]
    losses = [c.probes["algebra"].loss for c in next(iter(runs(data, turn))).trajectory.checkpoints]
    assert line(strip, "held-out loss") == (list(range(0, 201, 40)), losses)


def test_one_shared_trajectory_gets_a_panel_per_domain(old: ReportData) -> None:
    probes = {d: Probe(8, 4, {1: 0.2, 4: 0.5}, 0.4, 0.6) for d in ("algebra", "code")}
    shared = Trajectory("expert-all", 4, tuple(Checkpoint(s, None, 0, probes) for s in (0, 10)))
    choices = (Choice("algebra", "expert-all", 10, 0.2, 0.5), Choice("code", "expert-all", 0, 0.2, 0.5))
    figure = trajectories(replace(old, trajectories=(shared,), choices=choices))
    assert titles(figure) == ["algebra", "code"]
    assert marks(figure, "selected checkpoint") == [10.0, 0.0]


def test_rules_take_what_selection_takes() -> None:
    rows = [(0, 0.9, 0.9, 0.1), (10, 0.2, 0.8, None), (20, 0.3, 0.7, 0.5), (30, 0.1, 0.6, 0.6)]
    points = tuple(Checkpoint(s, 0.0, 0, {"a": Probe(8, 4, {1: one, 4: k}, 0, 1, loss)}) for s, one, k, loss in rows)
    winners = Run(Trajectory("expert-a", 4, points), "a", None).winners
    assert {rule: c.step for rule, c in winners.items()} == {"pass_at_k": 10, "pass_at_1": 20, "loss": 20, "last": 30}
    blind = Run(Trajectory("expert-a", 4, points[:2]), "a", None)
    assert {rule: c.step for rule, c in blind.winners.items()} == {"pass_at_k": 10, "pass_at_1": 10, "last": 10}
    assert Run(Trajectory("expert-a", 4, points[:1]), "a", None).winners == {}


def test_spectrum_starts_at_pass_at_1_and_reaches_all_samples(old: ReportData) -> None:
    figure = spectrum(old)
    assert figure is not None
    xs, ys = line(figure.axes[0], "fused")
    fused = next(m for m in old.models if m.model == "fused").domains["algebra"]
    assert (xs[0], xs[-1]) == (1, 16)
    assert ys[0] == pytest.approx(fused.pass_at_1.mean) and ys[xs.index(8)] == pytest.approx(fused.pass_at_k.mean)


def test_spectrum_has_all_rounds_with_their_intervals(data: ReportData) -> None:
    figure = spectrum(data)
    assert figure is not None
    axis = figure.axes[1]
    curves = {str(row.get_label()) for row in axis.lines if not str(row.get_label()).startswith("_")}
    assert curves == {
        *("base", "expert", "fused", "expert, second round", "fused, second round"),
        *("mgpo-maths-short", "student", "expert, probing set"),
    }
    bars = [bar.get_segments()[0] for c in axis.containers for bar in c.lines[2]]
    assert len(bars) == 2 * 7  # at both ends of each model's curve
    student = next(m for m in data.models if m.model == "student").counts["geometry"].values()
    expected = mean_interval([c.correct / c.samples for c in student])
    assert bars[-2][:, 1] == pytest.approx([expected.low, expected.high])
    assert bars[-2][0, 0] < 1 < 16 < bars[-1][0, 0]


def test_paths_of_models_and_trajectories(data: ReportData) -> None:
    figure = paths(data)
    assert figure is not None
    table, *rounds = figure.axes
    assert len(table.texts) == len(data.models) * 6
    base = data.models[0].domains["algebra"].distinct_paths
    assert base and table.texts[0].get_text() == f"{base:.2f}"
    assert [a.get_title(loc="left") for a in rounds] == [
        *("First round", "Second round: hard problems", "Student of the RL checkpoints"),
    ]
    expected = [
        c.probes["code"].paths for c in next(t for t in data.trajectories if t.node == "expert-code").checkpoints
    ]
    assert line(rounds[0], "code")[1] == expected


def test_fusion_shows_only_rounds_whose_weights_say_something(data: ReportData) -> None:
    figure = fusions(data)
    assert titles(figure) == ["weights, second round", "Pass@8, searched part", "held-out, 95% interval"]
    assert fusions(replace(data, fusions=data.fusions[:1])) is None
    given = replace(data.fusions[0], weights={"algebra": 0.7, "code": 0.3})
    assert titles(fusions(replace(data, fusions=(given,)))) == ["weights, first round"]


def test_cost_has_a_bar_a_round_and_an_expert(data: ReportData) -> None:
    figure = spectrum_cost(data)
    assert figure is not None
    above, below = figure.axes
    assert [t.get_text() for t in above.get_yticklabels()] == ["first round", "second round", "student's round"]
    assert above.texts[0].get_text().strip() == "6.4 min · $1.56"
    assert len(below.patches) == 11 and below.texts[0].get_text() == "48 s · $0.00053 · 60K tokens"
