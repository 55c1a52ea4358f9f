"""The promotion gate: registration is not promotion. Decided on the promotion set alone, by rules declared beforehand."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from vibethinker.algorithms.statistics import stratified_interval, stratified_paired_interval
from vibethinker.promotion.checks import Check
from vibethinker.promotion.measurement import Measurement


class Decision(BaseModel):
    """What the gate says, with its reasons in figures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["promoted", "refused", "unchanged"]
    """`unchanged`: the version is champion already."""
    reason: str
    candidate: float
    """Candidate's mean Pass@1 over domains."""
    champion: float | None = None
    compared_with: str | None = None
    """The champion's version at that moment; None for a first model."""
    effect: float | None = None
    """Candidate - champion, mean over domains of paired per-question differences."""
    low: float | None = None
    """Lower end of the effect's interval (of the candidate's own score for a first model)."""
    high: float | None = None
    checks: tuple[Check, ...] = ()
    """All that was checked, in order. A refusal on figures spares the checks that cost time."""

    def after(self, checks: Sequence[Check]) -> Self:
        """The decision once these checks were made too: one that failed refuses."""
        failed = next((c for c in checks if not c.passed), None)
        changes = {"decision": "refused", "reason": f"{failed.name}: {failed.seen}"} if failed else {}
        return self.model_copy(update={"checks": (*self.checks, *checks), **changes})


def decide(
    candidate: Measurement, champion: Measurement | None, floor: float, min_effect: float, level: float = 0.95
) -> Decision:
    """Promotes a first model whose mean Pass@1 reaches floor, a later one whose effect's interval lies above min_effect.

    level: of the intervals, in (0.5, 1).
    """
    return _first(candidate, floor, level) if champion is None else _later(candidate, champion, min_effect, level)


def mean_rate(measurement: Measurement) -> float:
    """Mean Pass@1 over domains with equal weight."""
    return float(np.mean([rates.mean() for rates in _rates(measurement)]))


def _first(candidate: Measurement, floor: float, level: float) -> Decision:
    own = stratified_interval(_rates(candidate), level=level)
    passed = own.mean >= floor
    seen = f"Pass@1 {own.mean:.1%} {'reaches' if passed else 'is below'} the floor of {floor:.1%}"
    return Decision(
        decision="promoted" if passed else "refused",
        reason=f"first model: {seen}",
        candidate=own.mean,
        low=own.low,
        high=own.high,
        checks=(Check(name="floor", passed=passed, seen=seen),),
    )


def _later(candidate: Measurement, champion: Measurement, min_effect: float, level: float) -> Decision:
    own, other = mean_rate(candidate), mean_rate(champion)
    pairing = tuple(_pairing(candidate, champion))
    failed = next((c for c in pairing if not c.passed), None)
    if failed:
        return Decision(decision="refused", reason=failed.seen, candidate=own, champion=other, checks=pairing)
    effect = stratified_paired_interval(_rates(candidate), _rates(champion), level=level)
    passed = effect.low > min_effect
    seen = (
        f"effect over the champion {effect.mean:+.1%} ({100 * level:g}% {effect.low:+.1%} to {effect.high:+.1%}) "
        f"{'lies above' if passed else 'does not lie above'} {min_effect:.1%}"
    )
    return Decision(
        decision="promoted" if passed else "refused",
        reason=seen,
        candidate=own,
        champion=other,
        effect=effect.mean,
        low=effect.low,
        high=effect.high,
        checks=(*pairing, Check(name="effect", passed=passed, seen=seen)),
    )


def _pairing(candidate: Measurement, champion: Measurement) -> Iterator[Check]:
    """Whether the two may be compared question by question."""
    ours, theirs = candidate.set_digest, champion.set_digest
    seen = f"champion was measured on another promotion set ({theirs[:12]}, candidate on {ours[:12]})"
    yield Check(name="promotion set", passed=ours == theirs, seen=ours[:12] if ours == theirs else seen)
    same = candidate.sampling == champion.sampling
    seen = f"champion was sampled otherwise ({champion.sampling}, candidate {candidate.sampling})"
    yield Check(name="sampling", passed=same, seen=_written(candidate.sampling) if same else seen)
    unpaired = _unpaired(candidate, champion)
    seen = f"{sum(len(q) for q in candidate.counts.values())} questions, paired by id"
    yield Check(name="questions", passed=not unpaired, seen=unpaired or seen)


def _written(sampling: Mapping[str, Mapping[str, float]]) -> str:
    parts = ((verifier, ", ".join(f"{k} {v:g}" for k, v in how.items())) for verifier, how in sampling.items())
    return "; ".join(f"{verifier}: {how}" for verifier, how in parts)


def _unpaired(candidate: Measurement, champion: Measurement) -> str:
    """Why questions find no partner; empty where each has one that was sampled as often."""
    ours, theirs = _samples(candidate), _samples(champion)
    alone = sorted(ours.keys() ^ theirs.keys())
    if alone:
        return f"{len(alone)} questions were put to one of the two only, e.g. {alone[0][1]!r} of domain {alone[0][0]!r}"
    uneven = sorted(q for q in ours if ours[q] != theirs[q])
    if uneven:
        first = uneven[0]
        counts = f"{first[1]!r}: champion {theirs[first]}, candidate {ours[first]}"
        return f"{len(uneven)} questions were not sampled equally often, e.g. {counts}"
    return ""


def _samples(measurement: Measurement) -> dict[tuple[str, str], int]:
    """(domain, problem id) -> n."""
    return {(d, q): n for d, questions in measurement.counts.items() for q, (n, _) in questions.items()}


def _rates(measurement: Measurement) -> list[np.ndarray]:
    """Per-question Pass@1, domains and problem ids in sorted order: one [questions] per domain."""
    return [
        np.array([c / n for _, (n, c) in sorted(questions.items())])
        for _, questions in sorted(measurement.counts.items())
    ]
