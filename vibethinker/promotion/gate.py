"""The promotion gate: registration is not promotion. Decided on the promotion set alone, by rules declared beforehand."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from vibethinker.algorithms.statistics import stratified_interval, stratified_paired_interval

Counts = dict[str, dict[str, tuple[int, int]]]
"""Domain -> problem id -> (n samples, c correct)."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measurement(_Frozen):
    """A model on the promotion set."""

    set_digest: str
    sampling: dict[str, dict[str, float]]
    """Verifier -> how its problems were sampled."""
    counts: Counts


class Decision(_Frozen):
    """What the gate says, with its reasons in figures."""

    decision: Literal["promoted", "refused"]
    reason: str
    candidate: float
    """Candidate's mean Pass@1 over domains."""
    champion: float | None = None
    effect: float | None = None
    """Candidate - champion, mean over domains of paired per-question differences."""
    low: float | None = None
    """Lower end of the 95% interval of the effect (of the candidate's own score for a first model)."""
    high: float | None = None


def decide(candidate: Measurement, champion: Measurement | None, floor: float, min_effect: float) -> Decision:
    """Promotes a first model whose mean Pass@1 reaches floor, a later one whose effect's interval lies above min_effect."""
    rates = _rates(candidate.counts)
    own = stratified_interval(list(rates.values()))
    if champion is None:
        passed = own.mean >= floor
        reason = f"first model: Pass@1 {own.mean:.1%} {'reaches' if passed else 'is below'} the floor of {floor:.1%}"
        return Decision(
            decision="promoted" if passed else "refused", reason=reason, candidate=own.mean, low=own.low, high=own.high
        )
    problem = _mismatch(candidate, champion)
    if problem:
        return Decision(decision="refused", reason=problem, candidate=own.mean)
    other = _rates(champion.counts)
    effect = stratified_paired_interval([rates[d] for d in sorted(rates)], [other[d] for d in sorted(rates)])
    passed = effect.low > min_effect
    reason = (
        f"effect over the champion {effect.mean:+.1%} (95% {effect.low:+.1%} to {effect.high:+.1%}) "
        f"{'lies above' if passed else 'does not lie above'} {min_effect:.1%}"
    )
    return Decision(
        decision="promoted" if passed else "refused",
        reason=reason,
        candidate=own.mean,
        champion=stratified_interval(list(other.values())).mean,
        effect=effect.mean,
        low=effect.low,
        high=effect.high,
    )


def _mismatch(candidate: Measurement, champion: Measurement) -> str:
    """Why the two can't be compared; empty where they can."""
    if candidate.set_digest != champion.set_digest:
        return f"champion was measured on another promotion set ({champion.set_digest[:12]}, candidate on {candidate.set_digest[:12]})"
    if candidate.sampling != champion.sampling:
        return f"champion was sampled otherwise ({champion.sampling}, candidate {candidate.sampling})"
    return ""


def _rates(counts: Mapping[str, Mapping[str, tuple[int, int]]]) -> dict[str, np.ndarray]:
    """Per-question Pass@1 in the order of problem ids: domain -> [questions]."""
    return {d: np.array([c / n for _, (n, c) in sorted(questions.items())]) for d, questions in sorted(counts.items())}
