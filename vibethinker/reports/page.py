"""The report as one HTML file that needs nothing else: plots embedded, styles inside, no request to anywhere."""

from base64 import b64encode
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import orjson
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from vibethinker.reports.data import Curves, Example, ReportData, ShownResponse
from vibethinker.reports.decision import checks, facts
from vibethinker.reports.plots import draw
from vibethinker.reports.round_costs import round_costs
from vibethinker.reports.rounds import TITLES, is_expert
from vibethinker.reports.search_words import bought
from vibethinker.reports.signal_summary import PARTS, summarise
from vibethinker.reports.spectrum_rules import SELECTED, WORDS, runs
from vibethinker.reports.words import (
    change,
    digits,
    duration,
    half_width,
    money,
    percent,
    points,
    share,
    tokens,
    when,
    whole_percent,
)
from vibethinker.runs.manifest import write_atomic

ALONG = (
    "Measured on the probing sets. The band is the 95% interval of Pass@K; the star marks the checkpoint selected as expert, small "
    "hollow marks those that other rules would have selected."
)
CAPTIONS = {
    "overall": (
        "Models over all domains",
        "Mean over domains with equal weight; bars are 95% intervals over questions.",
    ),
    "heat_map": ("Domain by model", "Rows in the order of the recipe; darker is better."),
    "trajectories": ("Along each expert's SFT", f"{ALONG} Step 0 is the base model."),
    "trajectories_hard": ("Along each expert's SFT on hard problems", f"{ALONG} Step 0 is where the round starts."),
    "trajectories_student": (
        "Along the student's SFT",
        f"{ALONG} Step 0 is the spectrum's fused model, from which the student starts.",
    ),
    "fusion": (
        "Weights of the fusion",
        "Dashed: the weight that all would have at 1/N. Searched weights are chosen on one part of the probing sets and "
        "measured against the uniform ones on the other; an interval that has 0 shows nothing.",
    ),
    "spectrum": (
        "Pass@K against K",
        "The spectrum on the benchmark: how much more is found with more tries. Bars beside the ends of the curves: 95% "
        "intervals at K = 1 and at the largest K. Dotted: the first round's selected checkpoint on its probing set, other "
        "questions than the benchmark's.",
    ),
    "paths": (
        "Distinct correct solution paths",
        "How many different ways to a right answer a model finds among all its samples of a question, mean over questions; "
        "correct responses that mostly go through the same numbers, formulas and words count as one. It is no count of ideas.",
    ),
    "spectrum_cost": (
        "Cost of the rounds",
        "Device time over all attempts, reused outputs included; a round's dollars include what endpoints charged. Grey: reused, "
        "paid by an earlier run.",
    ),
    "mgpo": (
        "Learning",
        "Look for a reward that rises. A zero-advantage share that grows means that the questions have become too easy or "
        "too hard to learn from. One colour per stage, dashed where the next begins; from twelve steps on, the thick line "
        "is a trailing mean of the thin one.",
    ),
    "p_c": (
        "How p_c moves",
        "The share of correct rollouts of a step's questions. Look for mass that moves upwards; without Long2Short, "
        "questions at 0 or 1 carry no gradient.",
    ),
    "health": (
        "Health",
        "Look for an entropy that falls to nothing (the spectrum is gone), a gap that grows (engine and trainer are no longer "
        "one model), a KL that runs away, and peaks of the gradient norm.",
    ),
    "lengths": (
        "Lengths",
        "Look for a share cut at the window that grows: those responses are graded without their end. A fall in length while "
        "the reward stays is what Long2Short is for.",
    ),
    "time": (
        "Where the time goes",
        "Look for the tallest part. Time spent waiting for verdicts is what generation did not hide: more grading "
        "processes help. Steps that were replayed after an interruption take no rollout time.",
    ),
    "cost": (
        "Cost by stage",
        "Device time and dollars of each output over all attempts; reused outputs were paid by an earlier run.",
    ),
}


REASONS = {
    "malformed": "not written as asked",
    "duplicates": "like another problem",
    "contaminated": "shares an n-gram with a benchmark question",
    "disagreed": "its solutions don't all agree with its answer",
}
"""Why a written probing problem was rejected, in words."""


def write_report(data: ReportData, folder: Path) -> Path:
    """Writes report.html, report.json, profile.yaml (the run's exact settings) and plots/*.png; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = draw(data, folder / "plots")
    write_atomic(folder / "report.json", orjson.dumps(data.to_json(), option=orjson.OPT_INDENT_2))
    if data.run.settings:
        write_atomic(
            folder / "profile.yaml", yaml.safe_dump(data.run.settings, sort_keys=False, allow_unicode=True).encode()
        )
    page = folder / "report.html"
    write_atomic(page, render_page(data, plots).encode())
    return page


def templates() -> Environment:
    """The pages' templates: everything is escaped, and a name that is missing is an error."""
    return Environment(
        loader=PackageLoader("vibethinker.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_page(data: ReportData, plots: Mapping[str, Path]) -> str:
    """The page's HTML. plots: name -> PNG file; those that are not there are left out."""
    environment = templates()
    environment.filters.update(
        percent=percent,
        half_width=half_width,
        money=money,
        duration=duration,
        points=points,
        flat=flat,
        facts=facts,
        checks=checks,
        slug=_slug,
        when=when,
        digits=digits,
        whole_percent=whole_percent,
        by_step=_by_step,
        tokens=tokens,
        bought=bought,
        is_expert=is_expert,
        change=change,
    )
    environment.globals["share"] = share
    images = {name: b64encode(path.read_bytes()).decode() for name, path in plots.items()}
    summaries = list(summarise(data.curves))
    return environment.get_template("report.html").render(
        data=data,
        images=images,
        captions=CAPTIONS,
        examples=_examples(data),
        summaries=summaries,
        parts=[p for p in PARTS if any(p in s.seconds for s in summaries)],
        rounds=[
            (title, f"trajectories_{turn}".rstrip("_"), found)
            for turn, title in TITLES.items()
            if (found := list(runs(data, turn)))
        ],
        round_costs=round_costs(data),
        round_titles=TITLES,
        rules=WORDS,
        selected_by=SELECTED,
        reasons=REASONS,
    )


def flat(value: object, prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as rows of dotted name and value, for a table."""
    if value is None or value in ({}, [], ()):
        return [(prefix, "-")]
    if isinstance(value, Mapping):
        return [row for key, inner in value.items() for row in flat(inner, f"{prefix}.{key}" if prefix else str(key))]
    if isinstance(value, list | tuple):
        return [row for i, inner in enumerate(value) for row in flat(inner, f"{prefix}[{i}]")]
    return [(prefix, str(value))]


def _slug(verdict: str) -> str:
    """A CSS class for a verdict or status."""
    return "".join(ch if ch.isalnum() else "-" for ch in verdict.lower())


def _by_step(stage: Curves) -> list[tuple[int, list[ShownResponse]]]:
    """A stage's shown responses by step, ascending."""
    return [(step, list(rows)) for step, rows in groupby(stage.responses, key=lambda r: r.step)]


def _examples(data: ReportData) -> list[tuple[str, list[Example]]]:
    """Examples by model, in the recipe's order."""
    return [(model, list(rows)) for model, rows in groupby(data.examples, key=lambda e: e.model)]
