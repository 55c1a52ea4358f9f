"""Fusion weights searched on one part of the probing sets, and what that bought on the rest; never on benchmarks."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from vibethinker.algorithms.fusion_search import best_candidate, candidate_weights, halves
from vibethinker.algorithms.statistics import Interval, stratified_interval, stratified_paired_interval
from vibethinker.config.training import FusionSearchSettings, ProbeSettings
from vibethinker.data.tables import read_problems
from vibethinker.errors import DataError
from vibethinker.evaluation.cache import SampleCache
from vibethinker.evaluation.scores import correct_counts, rates
from vibethinker.models.checkpoint import load_model
from vibethinker.models.fuse import fuse_checkpoints
from vibethinker.records import Problem
from vibethinker.rollout.engine import derive_seed
from vibethinker.runs.manifest import write_atomic
from vibethinker.runs.work import Work
from vibethinker.stages.setting import Setting, open_setting

Rates = dict[str, list[float]]
"""Domain -> Pass@K of each question."""
PROBES = "probes"


@dataclass(frozen=True)
class _Search:
    """What stays the same from candidate to candidate."""

    work: Work
    setting: Setting
    experts: Mapping[str, Path]
    """Domain -> model."""
    probe: ProbeSettings
    weightings: Sequence[Sequence[float]]


def search_weights(work: Work, experts: Mapping[str, Path]) -> dict[str, Any]:
    """fusion.json's `search`: {"k", "seed", "candidates", "chosen", "held_out"}. experts: domain -> model.

    Each weighting's model is what would be written: it is fused to disk and read again. All answer with the same seeds, so
    that they are compared in pairs. A measured candidate, and each sample, is kept in the stage's scratch folder.

    Raises DataError where a domain has fewer than two probing problems, Preempted once the stage was told to stop.
    """
    settings = work.spec.settings
    how = FusionSearchSettings.model_validate(settings["search"])
    seed = derive_seed(settings["seed"], "fusion")
    searched, held = _parts(read_problems(work.input(PROBES) / "probe.parquet"), list(experts), how.share, seed)
    weightings = candidate_weights(len(experts), how.candidates, seed)
    with open_setting(work.spec, next(iter(experts.values()))) as setting:
        search = _Search(work, setting, experts, ProbeSettings.model_validate(settings["probe"]), weightings)
        scores = []
        for index in range(len(weightings)):
            work.tracker.progress("weights", index, len(weightings))
            scores.append(_mean(_measure(search, index, "searched", searched)))
            work.tracker.metrics(index, {"search/pass_at_k": scores[-1]})
        chosen = best_candidate(scores)
        uniform, best = (_measure(search, index, "held-out", held) for index in (0, chosen))
    rows = [
        {"weights": dict(zip(experts, weights, strict=True)), "pass_at_k": score}
        for weights, score in zip(weightings, scores, strict=True)
    ]
    bought = _bought(uniform, best, len(held), same=chosen == 0)
    return {"k": search.probe.k, "seed": seed, "candidates": rows, "chosen": chosen, "held_out": bought}


def _parts(
    problems: Sequence[Problem], domains: Sequence[str], share: float, seed: int
) -> tuple[list[Problem], list[Problem]]:
    """(searched, held out) of every domain's probing set, cut in a seeded order of ids."""
    parts: tuple[list[Problem], list[Problem]] = ([], [])
    for domain in domains:
        own = {p.id: p for p in problems if p.domain == domain}
        if len(own) < 2:
            raise DataError(
                f"domain {domain} has {len(own)} probing problems, and the search for weights needs 2 at least: some to search "
                "on, and some to say what that bought; raise data.splits.probe, or leave out fusion.search"
            )
        for part, ids in zip(parts, halves(list(own), share, derive_seed(seed, domain)), strict=True):
            part += [own[i] for i in ids]
    return parts


def _measure(search: _Search, index: int, part: str, problems: Sequence[Problem]) -> Rates:
    """Pass@K of the weighting's model on each question, kept once it is known."""
    kept = search.work.scratch / "search" / f"{part}-{index}.json"
    if not kept.exists():
        search.work.check()
        kept.parent.mkdir(exist_ok=True)
        write_atomic(kept, orjson.dumps(_sampled(search, search.weightings[index], problems)))
    found: Rates = orjson.loads(kept.read_bytes())
    return found


def _sampled(search: _Search, weights: Sequence[float], problems: Sequence[Problem]) -> Rates:
    setting, work, probe = search.setting, search.work, search.probe
    _use(search, weights)
    name = orjson.dumps(list(weights)).decode()
    with SampleCache(work.scratch / "search.sqlite", name, setting.engine.identity) as cache:
        samples = setting.runner(cache, work.check).run(problems, probe.sampling, derive_seed(setting.seed, "search"))
        counts = correct_counts(list(samples))
    return {domain: rates(counts[domain], probe.k).tolist() for domain in search.experts}


def _use(search: _Search, weights: Sequence[float]) -> None:
    """Gives the engine the weighting's model."""
    folder = search.work.scratch / "candidate"
    shutil.rmtree(folder, ignore_errors=True)
    fuse_checkpoints(list(search.experts.values()), weights, folder)
    search.setting.engine.update_weights(load_model(folder, "cpu").state_dict())
    shutil.rmtree(folder)


def _mean(found: Rates) -> float:
    """Over questions, then over domains with equal weight."""
    return float(np.mean([np.mean(values) for values in found.values()]))


def _bought(uniform: Rates, best: Rates, problems: int, same: bool) -> dict[str, Any]:
    """Both models on the held-out part, and their difference, paired by question; none where they are the same model."""
    first, second = list(uniform.values()), list(best.values())
    difference = Interval(0.0, 0.0, 0.0) if same else stratified_paired_interval(second, first)
    return {
        "problems": problems,
        "uniform": asdict(stratified_interval(first)),
        "chosen": asdict(stratified_interval(second)),
        "difference": asdict(difference),
    }
