"""What the pictures show (their looks are judged by eye)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vibethinker.reports.collect import collect
from vibethinker.reports.data import ReportData
from vibethinker.reports.heat_maps import cells, heat_map
from vibethinker.reports.plots import PLOTS, draw
from vibethinker.reports.style import INK, _letters, figure


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


def test_figures_stand_out_from_their_cells(data: ReportData) -> None:
    figure = heat_map(data)
    assert figure is not None
    dark = {t.get_color() for a in figure.axes for t in a.texts if float(t.get_text()) > 75}
    light = {t.get_color() for a in figure.axes for t in a.texts if float(t.get_text()) < 45}
    assert dark == {"white"} and light == {INK}


def test_a_heat_map_s_missing_cell_is_a_dash_that_can_be_seen() -> None:
    axis = figure(1).subplots()
    cells(axis, np.array([[1.0, np.nan]]), ["a", "all"], ["m"], 1.0, str)
    assert [(t.get_text(), t.get_color()) for t in axis.texts] == [("1.0", "white"), ("-", INK)]


def test_a_legend_takes_no_more_columns_than_fit() -> None:
    assert _letters(["abc", "de", "f"], 2) == 3 + 1 + 2 * 7  # two in the first column
    assert _letters(["abc", "de", "f"], 3) == 3 + 2 + 1 + 3 * 7


def test_without_data_there_is_no_picture(data: ReportData, tmp_path: Path, new_run: Callable[[], Any]) -> None:
    run = new_run()
    empty = collect(run.write_run(), run.workspace)
    assert draw(empty, tmp_path / "plots") == {}


def test_only_runs_with_more_rounds_have_their_pictures(data: ReportData, rounds_data: ReportData) -> None:
    later = {"trajectories_hard", "trajectories_student", "fusion", "paths"}
    assert {name for name, plot in PLOTS.items() if plot(data) is None} == later
    assert all(PLOTS[name](rounds_data) is not None for name in later)
