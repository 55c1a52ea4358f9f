"""Pass@K probes along an expert's trajectory: what the current weights answer on each domain's probing set [A 3.3]."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from vibethinker.algorithms.statistics import mean_interval
from vibethinker.config.training import ProbeSettings
from vibethinker.errors import DataError
from vibethinker.evaluation.cache import SampleCache
from vibethinker.evaluation.paths import mean_paths, path_sizes
from vibethinker.evaluation.scores import correct_counts, rates
from vibethinker.models.lora import merged_state
from vibethinker.records import Problem, Sample
from vibethinker.rollout.engine import derive_seed
from vibethinker.runs.work import Work
from vibethinker.stages.setting import Setting
from vibethinker.stages.trajectory import Checkpoint
from vibethinker.training.documents import Document, tokenise
from vibethinker.training.sft import document_losses

SHOWN_SAMPLES = 4
"""Responses shown at every probe, of all domains together."""
FIGURES = ("loss", "paths")


@dataclass(frozen=True)
class ProbingSet:
    """One domain's held-out problems."""

    problems: list[Problem]
    documents: list[Document]
    """Their own traces, for the held-out loss; none where they have no trace that fits."""


def probing_sets(
    problems: Sequence[Problem], domains: Sequence[str], setting: Setting, max_length: int
) -> dict[str, ProbingSet]:
    """Domain -> probing set. Traces longer than max_length tokens are left out. Raises DataError for a domain without problems."""
    found = {}
    for domain in domains:
        own = [p for p in problems if p.domain == domain]
        if not own:
            raise DataError(
                f"domain {domain} has no probing problems, and selection would be blind; raise data.splits.probe, or what "
                "probing_set asks for"
            )
        found[domain] = ProbingSet(own, _documents(own, setting, max_length))
    return found


def _documents(problems: Sequence[Problem], setting: Setting, max_length: int) -> list[Document]:
    try:
        return tokenise(problems, setting.tokenizer, setting.templates, setting.system_prompt, max_length)[0]
    except DataError:  # no trace, or none short enough: the template itself was tried on the training rows
        return []


@dataclass(frozen=True)
class Prober:
    """Probes the setting's model, as it is at the moment."""

    setting: Setting
    work: Work
    probe: ProbeSettings
    sets: Mapping[str, ProbingSet]
    """Domain -> probing set."""
    tokens_per_micro_batch: int
    """Of the held-out loss."""

    def measure(self, step: int, loss: float) -> Checkpoint:
        """The trajectory's point at this step. loss: of training, since the point before.

        What a killed attempt sampled at this step is not sampled again. Raises Preempted once the stage was told to stop.
        """
        engine = self.setting.engine
        engine.update_weights(merged_state(self.setting.model))
        with self._cache(step) as cache:
            samples = {domain: self._sample(cache, domain, step) for domain in self.sets}
        engine.sleep()
        probes = {domain: self._probe(domain, rows) for domain, rows in samples.items()}
        self._tell(step, probes, samples)
        return {"step": step, "loss": loss, "probes": probes}

    @contextmanager
    def _cache(self, step: int) -> Iterator[SampleCache]:
        """This step's responses and verdicts. Those of steps before are in the trajectory by now, and go."""
        folder, name = self.work.scratch / "probes", f"step-{step}"
        for path in folder.glob("step-*"):
            if path.name.partition(".")[0] != name:
                path.unlink()
        with SampleCache(folder / f"{name}.sqlite", name, self.setting.engine.identity) as cache:
            yield cache

    def _sample(self, cache: SampleCache, domain: str, step: int) -> list[Sample]:
        runner = self.setting.runner(cache, self.work.check)
        seed = derive_seed(self.setting.seed, "probe", domain, step)

        def progress(done: int, total: int) -> None:
            self.work.tracker.progress(f"probe {domain}", done, total)

        return list(runner.run(self.sets[domain].problems, self.probe.sampling, seed, progress))

    def _probe(self, domain: str, samples: Sequence[Sample]) -> dict[str, Any]:
        problems, k = self.sets[domain].problems, self.probe.k
        counts = correct_counts(samples)[domain]
        interval = mean_interval(rates(counts, k))
        return {
            "problems": len(problems),
            "samples": len(samples),
            "pass_at": {str(i): float(rates(counts, i).mean()) for i in _ks(k)},
            "low": interval.low,
            "high": interval.high,
            "loss": self._loss(self.sets[domain].documents),
            "paths": mean_paths(path_sizes(samples, {p.id: p for p in problems})[domain]),
            "counts": {problem: list(pair) for problem, pair in counts.items()},
        }

    def _loss(self, documents: Sequence[Document]) -> float | None:
        """Nats a learnt token, over all documents together; None where there are none."""
        if not documents:
            return None
        precision = self.setting.precision
        losses = document_losses(self.setting.model, documents, self.tokens_per_micro_batch, precision)
        return float(np.average(losses, weights=[sum(d.learnt) for d in documents]))

    def _tell(self, step: int, probes: Mapping[str, Any], samples: Mapping[str, Sequence[Sample]]) -> None:
        figures: dict[str, float] = {}
        for domain, probe in probes.items():
            figures[f"probe/{domain}/pass_at_1"] = probe["pass_at"]["1"]
            figures[f"probe/{domain}/pass_at_k"] = probe["pass_at"][str(self.probe.k)]
            figures |= {f"probe/{domain}/{name}": probe[name] for name in FIGURES if probe[name] is not None}
        self.work.tracker.metrics(step, figures)
        each = max(1, SHOWN_SAMPLES // len(probes))
        rows = [row for domain, found in samples.items() for row in self._shown(domain, found)[:each]]
        self.work.tracker.samples(step, rows)

    def _shown(self, domain: str, samples: Sequence[Sample]) -> list[dict[str, object]]:
        """Each problem's first response."""
        questions = {p.id: p.question for p in self.sets[domain].problems}
        return [
            {
                "question": questions[s.problem_id],
                "response": s.response,
                "status": s.status,
                "extracted": s.extracted,
                "tokens": s.tokens,
                "finish_reason": s.finish_reason,
            }
            for s in samples
            if s.sample == 0
        ]


def _ks(k: int) -> list[int]:
    """1, 2, 4, ... and K itself."""
    return sorted({2**i for i in range(k.bit_length()) if 2**i <= k} | {k})
