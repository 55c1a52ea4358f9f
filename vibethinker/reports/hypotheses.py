"""The recipe's claims, judged by paired differences on the same questions (arXiv 2411.00640).

H1: a round's fused model is at least the mean of its experts over all domains, in Pass@1 and in Pass@K (the report claims
it without figures [A 3.3]). H2: MGPO raises Pass@1 above that of the model it started from [A 3.4]. Where the profile has
them: H3: the second round's fused model is above the first's in both. H4: the student is at least the last MGPO stage's
model in both [B gives no figures for either]. Domains weigh the same; questions are resampled within domains. The intervals
are 95%, not corrected for asking several questions. Nothing here can be tuned.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vibethinker.algorithms.pass_at_k import pass_at_k
from vibethinker.algorithms.statistics import Interval, Values, stratified_paired_interval
from vibethinker.reports.data import Hypothesis, HypothesisVerdict, Measure, ModelScores
from vibethinker.reports.rounds import expert_of, fused_of, is_expert, round_of
from vibethinker.reports.words import points


@dataclass(frozen=True)
class Claim:
    """One model against the mean of others."""

    name: str
    claim: str
    model: str
    others: Sequence[str]
    above: bool
    """Whether the model is claimed to be above the others, or only at least as good."""
    said: Mapping[HypothesisVerdict, str]
    """Verdict -> sentence."""
    only_pass_at_1: bool = False


def judge(models: Sequence[ModelScores], settings: Mapping[str, Any]) -> tuple[Hypothesis, ...]:
    """All claims about the profile's stages; `not measured`, with what is missing, where a model or its samples are not there."""
    found = {m.model: m for m in models}
    return tuple(_judged(claim, found) for claim in _claims(found, settings))


def _claims(found: Mapping[str, ModelScores], settings: Mapping[str, Any]) -> Iterator[Claim]:
    stages = [f"mgpo-{s['name']}" for s in (settings.get("mgpo") or {}).get("stages") or ()]
    last = (stages or [m for m in found if m.startswith("mgpo-")] or ["mgpo"])[-1]
    hard = bool((settings.get("sft") or {}).get("curriculum")) or "hard-fused" in found
    yield _fusion("", found, settings)
    yield _signal(last, "hard-fused" if hard else "fused")
    if hard:
        yield _fusion("hard", found, settings)
        yield _second_round()
    if settings.get("self_distillation") or "student" in found:
        yield _student(last)


def _fusion(turn: str, found: Mapping[str, ModelScores], settings: Mapping[str, Any]) -> Claim:
    named = [expert_of(turn, d) for d in settings.get("domains") or ()]
    measured = [m for m in found if is_expert(m) and round_of(m) == turn]
    fused = {"": "The fused model", "hard": "The second round's fused model"}[turn]
    return Claim(
        name="H1, second round" if turn else "H1",
        claim=f"{fused} is at least the mean of its experts over all domains, in Pass@1 and Pass@K.",
        model=fused_of(turn),
        others=named or measured,
        above=False,
        said={
            "shown": f"{fused} is at least the mean of its experts",
            "not shown": f"{fused} is not shown to be at least the mean of its experts",
            "opposite shown": f"{fused} is below the mean of its experts in at least one of the measures",
        },
    )


def _signal(last: str, start: str) -> Claim:
    whose = {"fused": "the fused model's", "hard-fused": "that of the second round's fused model"}[start]
    return Claim(
        name="H2",
        claim=f"Pass@1 after the last MGPO stage is above {whose}.",
        model=last,
        others=[start],
        above=True,
        said={
            "shown": f"Pass@1 after {last} is above {whose}",
            "not shown": f"Pass@1 after {last} is not shown to differ from {whose}",
            "opposite shown": f"Pass@1 after {last} is below {whose}",
        },
        only_pass_at_1=True,
    )


def _second_round() -> Claim:
    return Claim(
        name="H3",
        claim="The second round helps: its fused model is above the first round's in Pass@1 and Pass@K.",
        model="hard-fused",
        others=["fused"],
        above=True,
        said={
            "shown": "The second round's fused model is above the first's",
            "not shown": "The second round's fused model is not shown to be above the first's in both measures",
            "opposite shown": "The second round's fused model is below the first's in at least one of the measures",
        },
    )


def _student(last: str) -> Claim:
    return Claim(
        name="H4",
        claim="The student is at least as good as the last MGPO stage's model, in Pass@1 and Pass@K.",
        model="student",
        others=[last],
        above=False,
        said={
            "shown": f"The student is at least as good as {last}",
            "not shown": f"The student is not shown to be at least as good as {last}",
            "opposite shown": f"The student is below {last} in at least one of the measures",
        },
    )


def _judged(claim: Claim, found: Mapping[str, ModelScores]) -> Hypothesis:
    missing = _missing(found, [claim.model, *claim.others]) or ("" if claim.others else "no expert was measured")
    if missing:
        return Hypothesis(claim.name, claim.claim, (), "not measured", f"Not measured: {missing}.")
    model, others = found[claim.model], [found[m] for m in claim.others]
    ks = (1,) if claim.only_pass_at_1 else dict.fromkeys((1, model.k))
    measures = tuple(Measure(f"Pass@{k}", _effect(model, others, k)) for k in ks)
    verdict = _verdict([m.effect for m in measures], claim.above)
    return Hypothesis(claim.name, claim.claim, measures, verdict, f"{claim.said[verdict]}: {_figures(measures)}.")


def _verdict(effects: Sequence[Interval], above: bool) -> HypothesisVerdict:
    if all(e.low > 0 if above else e.low >= 0 for e in effects):
        return "shown"
    return "opposite shown" if any(e.high < 0 for e in effects) else "not shown"


def per_question(model: ModelScores, k: int) -> dict[str, Values]:
    """Pass@k of each question in the order of problem ids: domain -> [questions]."""
    return {
        domain: pass_at_k([c.samples for c in rows.values()], [c.correct for c in rows.values()], k)
        for domain, rows in sorted(model.counts.items())
    }


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
