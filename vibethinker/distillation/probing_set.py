"""A domain's probing set, written by a language model as the report's were [A 3.3], and checked.

A problem stays only where several independent solutions of the same model all reach the answer that it wrote: experts are
selected by what they solve of this set, so that a wrong gold answer would not just be noise, it would prefer whoever errs
the same way. What is too hard for the model itself goes with them; that price is paid knowingly.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Literal

from vibethinker.config.training import SamplingSettings
from vibethinker.data.decontamination import decontaminate
from vibethinker.data.identity import question_key
from vibethinker.distillation.probing_prompts import read_reply, writing_requests
from vibethinker.distillation.teachers import Teacher, ask
from vibethinker.distillation.traces import Trace
from vibethinker.errors import DataError
from vibethinker.evaluation.cached_engine import CachedEngine
from vibethinker.evaluation.runner import Runner
from vibethinker.records import Problem, VerifierName
from vibethinker.rollout.engine import derive_seed
from vibethinker.rollout.text import Text, TextSampling

TURNS = 8
"""Rounds of asking, each for what is still missing."""
MORE = 1.5
"""Problems asked for, over those that are missing: some are rejected."""
ENOUGH = 0.5
"""Share of the wanted problems below which a domain's set is refused."""

Reason = Literal["malformed", "duplicate", "contaminated", "disagreed"]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Rejected:
    """One written problem that is not kept."""

    domain: str
    reason: Reason
    detail: str
    text: str
    """The question, or the whole reply that is none."""


@dataclass
class ProbingSet:
    """What has been asked and kept for one domain so far."""

    domain: str
    kept: list[Problem] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    written: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    response_tokens: int = 0

    def paid(self, responses: Sequence[Text | Trace]) -> None:
        """Counts what these responses cost."""
        self.requests += len(responses)
        self.prompt_tokens += sum(r.prompt_tokens for r in responses)
        self.response_tokens += sum(r.tokens for r in responses)

    def count(self, reason: Reason) -> int:
        """How many were rejected for it."""
        return sum(r.reason == reason for r in self.rejected)


@dataclass(frozen=True)
class Author:
    """A language model as the author of probing sets. `known` grows: no two sets share a question."""

    runner: Runner
    """Its engine, the cache of all that it said, the grader of its solutions, and how solutions are asked for."""
    known: set[str]
    """Keys of questions that there are already, in any set of the run."""
    benchmark: Sequence[Problem]
    ngram: int
    problems: int
    """Wanted for each domain."""
    sampling: SamplingSettings
    """Of the solutions; problems are asked for with the same temperature and limit."""
    seed: int

    def write(self, domain: str, verifier: VerifierName, examples: Sequence[Problem], progress: Progress) -> ProbingSet:
        """Asks until enough are kept, or the rounds are over. examples: problems of the domain that may be shown;
        progress(label, done, all) tells how far problems and solutions are.

        Deterministic in what the model says. Raises what the runner's check and its engine raise.
        """
        made, label = ProbingSet(domain), f"problems {domain}"
        progress(label, 0, self.problems)
        for turn in range(TURNS):
            if not (missing := self.problems - len(made.kept)):
                break
            drafts = self._drafts(made, verifier, examples, turn, ceil(MORE * missing))
            agreed = self._agreed(made, self._clean(made, self._new(made, drafts)), progress)
            made.kept += self._clean(made, agreed)[:missing]  # good ones beyond what is wanted are in no count
            progress(label, len(made.kept), self.problems)
        return made

    def _drafts(
        self, made: ProbingSet, verifier: VerifierName, examples: Sequence[Problem], turn: int, count: int
    ) -> list[Problem]:
        requests = writing_requests(made.domain, verifier, examples, self.seed, turn, count)
        s = self.sampling
        how = TextSampling(s.max_response_tokens, s.temperature, s.top_p, derive_seed(self.seed, "writing"))
        replies: dict[int, Text] = {}
        with closing(CachedEngine(self.runner.engine, self.runner.cache).generate(requests, how)) as batches:
            for batch in batches:
                replies.update(batch)
                self.runner.check()
        drafts = []
        for _, reply in sorted(replies.items()):
            try:
                drafts.append(read_reply(reply, made.domain, verifier))
            except DataError as error:
                made.rejected.append(Rejected(made.domain, "malformed", str(error), reply.text))
        made.written += len(replies)
        made.paid(list(replies.values()))
        return drafts

    def _new(self, made: ProbingSet, drafts: Sequence[Problem]) -> list[Problem]:
        """Those whose question nobody has asked before."""
        found = []
        for problem in drafts:
            if (key := question_key(problem.question)) in self.known:
                made.rejected.append(Rejected(made.domain, "duplicate", "", problem.question))
            else:
                self.known.add(key)
                found.append(problem)
        return found

    def _clean(self, made: ProbingSet, problems: Sequence[Problem]) -> list[Problem]:
        """Those without an overlap with the benchmark, in question or trace [A 3.5]."""
        clean, hits = decontaminate(problems, self.benchmark, self.ngram)
        text = {p.id: p.question for p in problems}
        for name, hit in {hit.train_id: hit for hit in hits}.items():
            detail = f"shares {hit.span!r} with {hit.benchmark_id}"
            made.rejected.append(Rejected(made.domain, "contaminated", detail, text[name]))
        return clean

    def _agreed(self, made: ProbingSet, problems: Sequence[Problem], progress: Progress) -> list[Problem]:
        """Those whose solutions all reach the written answer, with the first of these as their trace."""
        if not problems:
            return []
        teacher = Teacher(name="probing-set", domains=(), sampling=self.sampling)
        seed = derive_seed(self.seed, "solving")
        answers = ask(teacher, problems, self.runner, seed, partial(progress, f"solutions {made.domain}"))
        found = []
        for problem in problems:
            solutions = answers.of(problem)
            made.paid(solutions)
            right, wanted = [s for s in solutions if s.verified], self.sampling.samples
            if len(right) == wanted:
                found.append(problem.model_copy(update={"traces": (right[0].response,)}))
            else:
                detail = f"{len(right)} of {wanted} solutions reach the written answer {problem.answer!r}"
                made.rejected.append(Rejected(made.domain, "disagreed", detail, problem.question))
        return found


def check_enough(made: ProbingSet, wanted: int) -> str:
    """What a person should know of a set that is smaller than wanted; empty otherwise. Raises DataError below half of it."""
    if len(made.kept) >= wanted:
        return ""
    reasons: tuple[Reason, ...] = ("malformed", "duplicate", "contaminated", "disagreed")
    why = ", ".join(f"{made.count(reason)} {reason}" for reason in reasons)
    text = f"probing set of {made.domain}: {len(made.kept)} of {wanted} problems after {TURNS} rounds ({made.written} written, {why})"
    if len(made.kept) < ENOUGH * wanted:
        raise DataError(
            f"{text}; ask a stronger model (probing_set.endpoint), lower probing_set.problems or probing_set.solutions; "
            "rejected.jsonl of the stage shows what it wrote"
        )
    return text
