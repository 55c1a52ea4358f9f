"""The two claims of the recipe, judged by paired differences on the same questions (arXiv 2411.00640).

H1: the fused model is at least the mean of its experts over all domains, in Pass@1 and in Pass@K (the report claims it
without figures [A 3.3]). H2: MGPO raises Pass@1 above the fused model's [A 3.4]. Domains weigh the same; questions are
resampled within domains. The intervals are 95%, not corrected for asking several questions. Nothing here can be tuned.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vibethinker.algorithms.pass_at_k import pass_at_k
from vibethinker.algorithms.statistics import Interval, Values, stratified_paired_interval
from vibethinker.reports.data import Hypothesis, HypothesisVerdict, Measure, ModelScores
from vibethinker.reports.words import points

FUSION = "The fused model is at least the mean of its experts over all domains, in Pass@1 and Pass@K."
SIGNAL = "Pass@1 after the last MGPO stage is above the fused model's."


def judge(models: Sequence[ModelScores], settings: Mapping[str, Any]) -> tuple[Hypothesis, ...]:
    """Both hypotheses; `not measured`, with what is missing, where a model or its samples are not there."""
    found = {m.model: m for m in models}
    experts = [f"expert-{d}" for d in settings.get("domains") or ()] or [m for m in found if m.startswith("expert-")]
    stages = [f"mgpo-{s['name']}" for s in (settings.get("mgpo") or {}).get("stages") or ()]
    last = (stages or [m for m in found if m.startswith("mgpo-")] or ["mgpo"])[-1]
    return _fusion(found, experts), _signal(found, last)


def per_question(model: ModelScores, k: int) -> dict[str, Values]:
    """Pass@k of each question in the order of problem ids: domain -> [questions]."""
    return {
        domain: pass_at_k([c.samples for c in rows.values()], [c.correct for c in rows.values()], k)
        for domain, rows in sorted(model.counts.items())
    }


def _fusion(found: Mapping[str, ModelScores], experts: Sequence[str]) -> Hypothesis:
    needed = ["fused", *experts]
    missing = _missing(found, needed) or ("no expert was measured" if not experts else "")
    if missing:
        return Hypothesis("H1", FUSION, (), "not measured", f"Not measured: {missing}.")
    k = found["fused"].k
    measures = tuple(
        Measure(f"Pass@{n}", _effect(found["fused"], [found[e] for e in experts], n)) for n in dict.fromkeys((1, k))
    )
    verdict: HypothesisVerdict = "not shown"
    if all(m.effect.low >= 0 for m in measures):
        verdict = "shown"
    elif any(m.effect.high < 0 for m in measures):
        verdict = "opposite shown"
    said = {
        "shown": "is at least the mean of its experts",
        "not shown": "is not shown to be at least the mean of its experts",
        "opposite shown": "is below the mean of its experts in at least one of the measures",
    }[verdict]
    return Hypothesis("H1", FUSION, measures, verdict, f"The fused model {said}: {_figures(measures)}.")


def _signal(found: Mapping[str, ModelScores], last: str) -> Hypothesis:
    if missing := _missing(found, ["fused", last]):
        return Hypothesis("H2", SIGNAL, (), "not measured", f"Not measured: {missing}.")
    measure = Measure("Pass@1", _effect(found[last], [found["fused"]], 1))
    verdict: HypothesisVerdict = "not shown"
    if measure.effect.low > 0:
        verdict = "shown"
    elif measure.effect.high < 0:
        verdict = "opposite shown"
    said = {
        "shown": "is above the fused model's",
        "not shown": "is not shown to differ from the fused model's",
        "opposite shown": "is below the fused model's",
    }[verdict]
    return Hypothesis("H2", SIGNAL, (measure,), verdict, f"Pass@1 after {last} {said}: {_figures((measure,))}.")


def _missing(found: Mapping[str, ModelScores], needed: Sequence[str]) -> str:
    """What keeps these models from being compared, in words; empty where nothing does."""
    absent = [m for m in needed if m not in found or not found[m].counts]
    if absent:
        return f"no benchmark samples of {', '.join(absent)}"
    sets = {tuple((d, *rows) for d, rows in sorted(found[m].counts.items())) for m in needed}
    if len(sets) > 1 or len({found[m].digest for m in needed}) > 1:
        return f"{', '.join(needed)} were not measured on the same questions"
    if len({found[m].k for m in needed}) > 1:
        return f"{', '.join(needed)} were not measured at the same K"
    short = [m for m in needed for rows in found[m].counts.values() for c in rows.values() if c.samples < found[m].k]
    return f"{short[0]} has fewer than K = {found[short[0]].k} samples for a question" if short else ""


def _effect(model: ModelScores, others: Sequence[ModelScores], k: int) -> Interval:
    """Pass@k of the model minus the mean of the others', question by question, mean over domains."""
    ours, theirs = per_question(model, k), [per_question(o, k) for o in others]
    means = [np.mean([t[domain] for t in theirs], axis=0) for domain in ours]
    return stratified_paired_interval(list(ours.values()), means)


def _figures(measures: Sequence[Measure]) -> str:
    return "; ".join(f"{m.name} {points(m.effect)}" for m in measures)
