"""Pictures of the MGPO stages show what was measured (their looks are judged by eye)."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from vibethinker.reports.data import Curves, Histogram
from vibethinker.reports.signal import health, learning
from vibethinker.reports.signal_maps import lengths, p_c_map
from vibethinker.reports.signal_time import bars, time_spent

pytestmark = pytest.mark.filterwarnings("error")


def drawn(figure: Figure | None) -> Figure:
    """The figure, laid out as it would be saved: what can't be drawn fails here."""
    assert figure is not None
    figure.canvas.draw()
    return figure


def titles(figure: Figure) -> list[str]:
    return [axis.get_title(loc="left") for axis in figure.axes if axis.get_visible()]


def flat(**values: float) -> dict[str, list[tuple[int, float]]]:
    """Metrics of two steps that don't change."""
    return {name: [(1, value), (2, value)] for name, value in values.items()}


def test_stages_follow_each_other_on_one_axis() -> None:
    figure = drawn(learning([Curves(f"mgpo-{n}", {"reward": [(1, 0.1), (2, 0.2)]}) for n in ("a", "b")]))
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(np.asarray(lines["mgpo-b"].get_xdata())) == [3, 4]


def test_what_never_leaves_its_resting_value_gets_no_panel() -> None:
    still = flat(entropy=0.3, clip_share=0.0, ratio_mean=1.0, ratio_max=1.0, unknown=0.0)
    assert titles(drawn(health([Curves("mgpo-a", still)]))) == ["entropy, nats a token"]
    moved = Curves("mgpo-a", {**still, "ratio_max": [(1, 1.0), (2, 1.4)], "unknown": [(2, 0.01)]})
    assert titles(drawn(health([moved])))[1:] == [
        "importance ratio (dotted: largest)",
        "verdicts unknown: our own failures",
    ]


@pytest.mark.parametrize(
    ("values", "scale", "limits"),
    [
        ([2e-7, 0.0, 3e-5], "log", (1e-7, 1e-4)),
        ([0.01, 0.01], "log", (0.01, 0.1)),
        ([0.0, 0.0], "linear", None),
    ],
)
def test_the_gap_is_drawn_over_whole_decades(values: list[float], scale: str, limits: tuple[float, float]) -> None:
    figure = drawn(health([Curves("mgpo-a", {"gap_mean": list(enumerate(values, 1))})]))
    assert figure.axes[0].get_yscale() == scale
    assert limits is None or figure.axes[0].get_ylim() == pytest.approx(limits)


def test_p_c_columns_pool_neighbours_to_shares() -> None:
    rows = tuple(Histogram(step, (0.0, 0.5, 1.0), (step % 2, 3)) for step in range(1, 41))
    figure = drawn(p_c_map([Curves("mgpo-a", {}, rows)]))
    shares = np.asarray(figure.axes[0].collections[0].get_array())
    assert shares.shape == (2, 20)
    assert shares[:, 0] == pytest.approx([1 / 7, 6 / 7])


def test_a_column_reaches_back_to_the_one_before_it() -> None:
    """With several updates a rollout batch, histograms come only every few steps."""
    rows = tuple(Histogram(step, (0.0, 1.0), (4,)) for step in (4, 8))
    figure = drawn(p_c_map([Curves("mgpo-a", flat(reward=0.5) | {"loss": [(8, 0.0)]}, rows)]))
    mesh = figure.axes[0].collections[0]
    assert sorted({float(x) for x in np.asarray(mesh.get_coordinates())[..., 0].ravel()}) == [0.5, 4.5, 8.5]  # type: ignore[attr-defined]


def test_a_short_stage_beside_a_long_one_gets_columns_as_wide() -> None:
    def stage(name: str, steps: int) -> Curves:
        return Curves(name, {}, tuple(Histogram(s, (0.0, 1.0), (1,)) for s in range(1, steps + 1)))

    long, short = drawn(p_c_map([stage("mgpo-a", 760), stage("mgpo-b", 40)])).axes[0].collections
    assert (len(np.asarray(long.get_array())[0]), len(np.asarray(short.get_array())[0])) == (20, 4)


def test_names_that_would_touch_are_written_above_each_other() -> None:
    stages = [Curves(f"mgpo-stage-{i}", flat(seconds_train=1.0)) for i in range(10)]
    axis = drawn(time_spent(stages)).axes[0]
    renderer = axis.figure.canvas.get_renderer()  # type: ignore[attr-defined,union-attr]
    boxes = [text.get_window_extent(renderer) for text in axis.texts]
    assert len(boxes) == 10
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_lengths_of_stages_with_different_windows() -> None:
    a, b = (
        Curves(f"mgpo-{w}", flat(response_tokens=w / 2, truncated=0.1), (), (Histogram(1, (0.0, w / 2, w), (1, 2)),))
        for w in (8.0, 16.0)
    )
    above, below, _ = drawn(lengths([a, b])).axes
    assert above.get_ylim()[1] == pytest.approx(16) and below.get_ylabel() == "cut at the window"
    bare = drawn(lengths([Curves("mgpo-a", flat(response_tokens=5.0))]))
    assert len(bare.axes) == 2


def test_bars_are_seconds_a_step() -> None:
    """Rollouts of every second step only, as with two updates a rollout batch."""
    values = {
        "seconds_rollout": [(s, 3.0) for s in range(1, 121, 2)],
        "seconds_train": [(s, 1.0) for s in range(1, 121)],
    }
    edges, seconds = bars(Curves("mgpo-a", {**values, "seconds_sync": [(1, 1e-4)]}), 120, 2)
    assert edges[:2].tolist() == [0.5, 2.5] and edges[-1] == 120.5
    assert list(seconds) == ["rollout", "train"]
    assert set(seconds["rollout"].tolist()) == {1.5} and set(seconds["train"].tolist()) == {1.0}


def test_a_first_step_that_warms_up_does_not_flatten_the_others() -> None:
    steps = {"seconds_rollout": [(1, 40.0), *((s, 2.0) for s in range(2, 10))]}
    axis = drawn(time_spent([Curves("mgpo-a", steps)])).axes[0]
    assert axis.get_ylim() == pytest.approx((0, 4)) and "the highest bar is 40 s" in axis.get_xlabel()
    even = drawn(time_spent([Curves("mgpo-a", {"seconds_rollout": [(1, 1.0), (2, 1.5)]})])).axes[0]
    assert "cut" not in even.get_xlabel()


def test_without_metrics_there_is_no_picture() -> None:
    for picture in (learning, health, p_c_map, lengths, time_spent):
        assert picture([]) is None
        assert picture([Curves("mgpo-a", {})]) is None
        assert picture([Curves("mgpo-a", flat(other=1.0))]) is None
