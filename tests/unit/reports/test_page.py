"""The page: one file that needs nothing else, with every response escaped."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from vibethinker.reports.collect import collect
from vibethinker.reports.data import ReportData
from vibethinker.reports.page import CAPTIONS, flat, render_page, write_report
from vibethinker.reports.plots import PLOTS
from vibethinker.tracking.local import LocalTracker

SIGNAL = ("mgpo", "p_c", "health", "lengths", "time")
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Outline(HTMLParser):
    """Checks that tags nest, and remembers ids and attributes that could load something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [v for k, v in attrs if k == "id" and v]
        self.loads += [v for k, v in attrs if k in ("src", "href", "srcset") and v]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: Path) -> Outline:
    found = Outline()
    found.feed(page.read_text())
    assert not found.open
    return found


@pytest.fixture(scope="module")
def page(whole_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = collect(whole_run.folder, whole_run.workspace)
    return write_report(data, tmp_path_factory.mktemp("report"))


def test_all_sections_and_files_are_there(page: Path) -> None:
    found = outline(page)
    assert found.ids == [
        *("result", "scores", "spectrum", "signal", "stages", "promotion", "protocol", "data", "examples", "reproduce"),
    ]
    plots = {p.stem for p in (page.parent / "plots").glob("*.png")}
    assert plots == {"overall", "heat_map", "trajectories", "spectrum", "spectrum_cost", *SIGNAL, "cost"}
    report = orjson.loads((page.parent / "report.json").read_bytes())
    assert report["hypotheses"][0]["verdict"] == "shown"
    assert yaml.safe_load((page.parent / "profile.yaml").read_text())["name"] == "tiny"


def test_nothing_is_loaded_from_outside(page: Path) -> None:
    found = outline(page)
    assert len(found.loads) == 11 and all(v.startswith("data:image/png;base64,") for v in found.loads)
    assert not found.tags & {"script", "link", "iframe", "object"}
    assert "url(" not in page.read_text() and "@import" not in page.read_text()


def test_the_second_reports_rounds(rounds_data: ReportData, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(render_page(rounds_data, {}))
    found = outline(page)
    assert found.ids == [
        "result",
        "scores",
        "spectrum",
        "signal",
        "stages",
        "protocol",
        "traces",
        "examples",
        "reproduce",
    ]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text()))
    rate = rounds_data.models[0].overall.pass_at_1.mean if rounds_data.models[0].overall else 0
    for words in (
        "H1, second round",
        "$1.56 more charged by endpoints",
        "H3 : The second round helps",
        "H4 : The student",
        "Selected by the highest Pass@K on the probing sets",
        "expert step Pass@1 Pass@K held-out loss by Pass@1 by held-out loss the last algebra 120 32.0",
        "hard-fuse : algebra 0.299, geometry 0.449",
        "12 weightings were tried besides the uniform one. On the 80 held-out problems Pass@8 went from 58.0 to 59.1",
        "nothing shown, since the interval has 0",
        "student-fuse : 5 experts with equal weights.",
        f"distinct paths, all domains all samples among 2 correct among 8 correct base {6 * rate:.2f} {1 + 0.5 * rate:.2f}",
        "First round 6.4 min $0.0043 $1.56 300K expert-algebra sealed 48 s $0.00053 60K",
        "served 200 800 75.0% 400 5.0% 64K · 320K 40 s $1.25",
        "traces not kept incorrect duplicate contaminated traces 600 90 2",
        "Learning potential: 198 of 400 traces kept, in 10 buckets",
        "algebra 16–215 40 0 -",
        "algebra 216–415 40 22 0.210–0.480",
        "Of 250 problems the reference model (fused) mostly fails 90 ; 130 have a trace that is long enough; 60",
        "domain problems hard kept algebra 50 18 12",
        "Of 210 written, 160 were kept (algebra 32, ",
        "its solutions don&#39;t all agree with its answer 26",
        "$0.31 charged",
    ):
        assert words in text, words


def test_responses_are_escaped(page: Path) -> None:
    text = page.read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;alert(&#39;owned&#39;)&lt;/script&gt; so x = {{ 7 * 7 }} &amp; \\boxed{4}" in text


def test_responses_of_mgpo_are_escaped_and_folded_away(page: Path) -> None:
    section = page.read_text().split('<section id="signal">')[1].split("</section>")[0]
    assert "<b>What" not in section and "&lt;b&gt;What&lt;/b&gt; at step 11?" in section
    assert "&lt;script&gt;" in section and "took <code>&lt;i&gt;4&lt;/i&gt;</code>" in section
    before, after = section.split("<details>", 1)
    assert "alert(" not in before and "alert(" in after
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", after))
    assert "mgpo-maths-short: steps 1, 11, 21, 31" in text
    assert "correct took &lt;i&gt;4&lt;/i&gt; +0.75 9" in text and "-0.25 9 cut" in text


def test_mgpo_in_figures(page: Path) -> None:
    section = page.read_text().split('<section id="signal">')[1].split("</section>")[0]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section))
    assert "stage steps reward zero adv. cut gap (largest) KL mgpo-maths-short 40 " in text
    assert "stage rollout verdicts train sync tokens/s memory padding mgpo-maths-short 20 s 4.0 s 12 s 0.8 s" in text
    assert "reduce" not in text and "1.5 GB 4%" in text


def test_a_run_from_before_the_new_figures_still_gets_its_page(new_run: Callable[[], Any], tmp_path: Path) -> None:
    run = new_run()
    folder = run.output("mgpo-maths-short", {}, done=False, status="failed")
    with LocalTracker(folder / "attempts" / "1" / "events.jsonl") as tracker:
        for step in (1, 2):
            tracker.metrics(step, {"loss": 0.0, "reward": 0.5, "tokens_per_second": 9e3, "seconds_train": 0.4})
        tracker.samples(2, [{"question": "q", "response": "r", "status": "correct", "extracted": None}])
    page = write_report(collect(run.write_run("failed"), run.workspace), tmp_path / "out")
    assert {p.stem for p in (tmp_path / "out" / "plots").iterdir()} == {"mgpo", "time", "cost"}
    assert "steps 2" in page.read_text()
    outline(page)


def test_what_people_look_for_is_on_the_page(page: Path) -> None:
    text = re.sub(r"<[^>]+>", " ", page.read_text())
    for word in (
        "first champion",
        "3 overlaps",
        "2 training rows dropped",
        "Quarantine:",
        "tiny-train: no answer",
        "temperature",
    ):
        assert word in re.sub(r"\s+", " ", text)
    assert "d1d1d1d1d1d1" in text and "vibethinker run profile.yaml" in text and "torch" in text
    assert "Reported by the papers" not in text


def test_benchmarks_of_the_papers_get_their_figures(new_run: Callable[[], Any], tmp_path: Path) -> None:
    run = new_run()
    run.benchmark("base", 0.3)
    run.settings["data"] = {"sources": [{"name": "math500", "role": "benchmark"}]}
    page = write_report(collect(run.write_run(), run.workspace), tmp_path / "out")
    assert "Reported by the papers" in page.read_text() and "95.0" in page.read_text()
    outline(page)


def test_an_empty_run_still_gets_a_page(new_run: Callable[[], Any], tmp_path: Path) -> None:
    run = new_run()
    run.settings.clear()
    page = write_report(collect(run.write_run("running", nodes={}), run.workspace), tmp_path / "out")
    assert outline(page).ids == ["result", "stages", "reproduce"]
    assert list((tmp_path / "out" / "plots").iterdir()) == []


def test_every_picture_has_its_place_on_the_page(rounds_data: ReportData, tmp_path: Path) -> None:
    (tmp_path / "plot.png").write_bytes(b"png")
    assert set(CAPTIONS) == set(PLOTS)
    page = tmp_path / "report.html"
    page.write_text(render_page(rounds_data, dict.fromkeys(PLOTS, tmp_path / "plot.png")))
    assert len(outline(page).loads) == len(PLOTS)


def test_settings_become_rows() -> None:
    value = {"a": {"b": 1, "c": [{"d": "x"}, 2]}, "e": {}, "f": None}
    assert flat(value) == [("a.b", "1"), ("a.c[0].d", "x"), ("a.c[1]", "2"), ("e", "-"), ("f", "-")]
