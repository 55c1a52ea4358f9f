"""What the pictures show (their looks are judged by eye)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vibethinker.reports.collect import collect
from vibethinker.reports.data import Checkpoint, Choice, Probe, ReportData, Trajectory
from vibethinker.reports.plots import PLOTS, draw, heat_map, spectrum, trajectories


@pytest.fixture(scope="module")
def data(whole_run: Any) -> ReportData:
    return collect(whole_run.folder, whole_run.workspace)


def test_heat_map_has_the_scores_in_its_cells(data: ReportData) -> None:
    figure = heat_map(data)
    assert figure is not None
    left, right = figure.axes
    texts = [t.get_text() for t in left.texts]
    assert len(texts) == len(data.models) * 6
    assert texts[0] == f"{100 * data.models[0].domains['algebra'].pass_at_1.mean:.1f}"
    assert right.get_title(loc="left") == "Pass@8, percent"


def test_trajectories_mark_the_selected_checkpoint(data: ReportData) -> None:
    figure = trajectories(data)
    assert figure is not None
    shown = [a for a in figure.axes if a.get_visible()]
    assert [a.get_title(loc="left") for a in shown] == list(data.domains)
    stars = [c for a in shown for c in a.collections if c.get_label() == "selected checkpoint"]
    assert [float(np.asarray(s.get_offsets())[0, 0]) for s in stars] == [120.0] * 5


def test_one_shared_trajectory_gets_a_panel_per_domain(data: ReportData) -> None:
    probes = {d: Probe(8, 4, {1: 0.2, 4: 0.5}, 0.4, 0.6) for d in ("algebra", "code")}
    shared = Trajectory("expert-all", 4, tuple(Checkpoint(s, None, 0, probes) for s in (0, 10)))
    choices = (Choice("algebra", "expert-all", 10, 0.2, 0.5), Choice("code", "expert-all", 0, 0.2, 0.5))
    figure = trajectories(replace(data, trajectories=(shared,), choices=choices))
    assert figure is not None
    stars = [c for a in figure.axes for c in a.collections if c.get_label() == "selected checkpoint"]
    assert [a.get_title(loc="left") for a in figure.axes] == ["algebra", "code"]
    assert [float(np.asarray(s.get_offsets())[0, 0]) for s in stars] == [10.0, 0.0]


def test_spectrum_starts_at_pass_at_1_and_reaches_all_samples(data: ReportData) -> None:
    figure = spectrum(data)
    assert figure is not None
    line = next(line for line in figure.axes[0].lines if line.get_label() == "fused")
    fused = next(m for m in data.models if m.model == "fused").domains["algebra"]
    xs, ys = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    assert (xs[0], xs[-1]) == (1, 16)
    assert ys[0] == pytest.approx(fused.pass_at_1.mean) and ys[xs == 8][0] == pytest.approx(fused.pass_at_k.mean)


def test_without_data_there_is_no_picture(data: ReportData, tmp_path: Path, new_run: Callable[[], Any]) -> None:
    run = new_run()
    empty = collect(run.write_run(), run.workspace)
    assert draw(empty, tmp_path / "plots") == {}
    assert all(plot(data) is not None for plot in PLOTS.values())
