"""Asks a teacher for several responses a problem. Everything is on disk as soon as it is there."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from vibethinker.config.base import Settings
from vibethinker.config.distillation import PriceSettings
from vibethinker.config.training import SamplingSettings
from vibethinker.data.splits import unlabelled
from vibethinker.distillation.traces import Trace
from vibethinker.evaluation.cache import SampleCache
from vibethinker.evaluation.cached_engine import CachedEngine
from vibethinker.evaluation.runner import Asked, Progress, Runner
from vibethinker.models.chat import conversation
from vibethinker.records import Problem
from vibethinker.rollout.text import Request, TextSampling
from vibethinker.verifiers.grader import response_answer


class Teacher(Settings):
    """A teacher as a node's settings name it. Without `digest` and `endpoint` it is the model of the input of its name."""

    name: str
    domains: tuple[str, ...]
    """Empty for all."""
    sampling: SamplingSettings
    digest: str = ""
    """Of a model that is loaded here."""
    revision: str = ""
    endpoint: dict[str, Any] | None = None
    """What of an endpoint may change a response."""
    price: PriceSettings = PriceSettings()

    def teaches(self, problem: Problem) -> bool:
        """Whether it is asked about this problem's domain."""
        return not self.domains or problem.domain in self.domains


@dataclass(frozen=True)
class Answers:
    """What one teacher answered, read from its cache problem by problem."""

    teacher: Teacher
    cache: SampleCache
    asked: Mapping[str, Asked]
    """Problem's id -> how its responses and verdicts are found."""

    @property
    def refused(self) -> int:
        """Responses that an endpoint would not give."""
        wanted = self.teacher.sampling.samples
        return sum(wanted - len(self.cache.samples(asked.key)) for asked in self.asked.values())

    def of(self, problem: Problem) -> list[Trace]:
        """Its responses in the order of their samples; none where it was not asked."""
        asked = self.asked.get(problem.id)
        if asked is None:
            return []
        verdicts = self.cache.verdicts(asked.key, asked.grading)
        found = []
        for sample, text in sorted(self.cache.texts(asked.key).items()):
            verdict = verdicts.get(sample)
            found.append(
                Trace(
                    teacher=self.teacher.name,
                    problem_id=problem.id,
                    domain=problem.domain,
                    sample=sample,
                    response=text.text.strip(),
                    tokens=text.tokens,
                    prompt_tokens=text.prompt_tokens,
                    finish_reason=text.finish_reason,
                    status=verdict.status if verdict else "unlabelled",
                    extracted=verdict.extracted if verdict else response_answer(problem, text.text).text,
                )
            )
        return found


def ask(teacher: Teacher, problems: Sequence[Problem], runner: Runner, seed: int, progress: Progress) -> Answers:
    """Generates what the runner's cache lacks; grades it where there is a gold answer to grade by.

    Raises DataError for a problem that cannot be graded, SandboxUnavailable where programs cannot be run safely, and what the
    runner's check raises.
    """
    labelled = [p for p in problems if not unlabelled(p)]
    without = [p for p in problems if unlabelled(p)]
    total = len(problems) * teacher.sampling.samples
    samples = runner.run(labelled, teacher.sampling, seed, lambda done, _: progress(done, total))
    found = {asked.problem.id: asked for asked in samples.asked}
    done = len(labelled) * teacher.sampling.samples
    ungraded = _generate(teacher, without, runner, seed, lambda more: progress(done + more, total))
    return Answers(teacher, runner.cache, found | ungraded)


def _generate(
    teacher: Teacher, problems: Sequence[Problem], runner: Runner, seed: int, report: Callable[[int], None]
) -> dict[str, Asked]:
    """Responses to problems without a gold answer; a vote grades them later."""
    s = teacher.sampling
    how = TextSampling(s.max_response_tokens, s.temperature, s.top_p, seed)
    asked, requests = {}, []
    for problem in problems:
        messages = conversation(problem, runner.templates, runner.system_prompt)
        asked[problem.id] = Asked(problem, messages, runner.cache.key(Request(problem.id, 0, messages), how), b"")
        requests += [Request(problem.id, sample, messages) for sample in range(s.samples)]
    done = 0
    with closing(CachedEngine(runner.engine, runner.cache).generate(requests, how)) as batches:
        for batch in batches:
            done += len(batch)
            report(done)
            runner.check()
    return asked
