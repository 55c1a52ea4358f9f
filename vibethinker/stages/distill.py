"""Distill: teachers' verified traces for the SFT problems, several a problem [B]; the RL checkpoints as teachers of a student."""

import gc
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import orjson
import torch

from vibethinker.config.base import Settings
from vibethinker.config.distillation import PriceSettings
from vibethinker.data.splits import unlabelled
from vibethinker.data.tables import read_problems, write_problems
from vibethinker.distillation.potential import PotentialSettings, Ranked, Student, rank
from vibethinker.distillation.stopwatch import Stopwatch, seconds_kept
from vibethinker.distillation.tally import Tally
from vibethinker.distillation.teachers import Answers, Teacher, ask
from vibethinker.distillation.trace_file import TraceFile
from vibethinker.distillation.traces import Trace, contamination, sift
from vibethinker.distillation.votes import Votes, pseudo_label
from vibethinker.errors import DataError
from vibethinker.evaluation.cache import SampleCache
from vibethinker.evaluation.runner import Runner
from vibethinker.models.checkpoint import load_model, load_tokenizer
from vibethinker.records import Problem
from vibethinker.rollout.engine import derive_seed
from vibethinker.runs.manifest import Manifest, write_atomic
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import Work, open_work
from vibethinker.stages.rounds import PRICE
from vibethinker.stages.setting import GRADERS, device_of, prepare_torch
from vibethinker.stages.teacher_engine import TEACHERS, open_teacher
from vibethinker.verifiers.grader import Grader, GraderSettings


class DistillSettings(Settings):
    """Settings of one node, as `rounds` writes them."""

    teachers: tuple[Teacher, ...]
    keep: int
    sources_too: bool = False
    min_votes: int | None = None
    """None: problems without a gold answer are not asked."""
    min_vote_share: float = 0.5
    potential: PotentialSettings | None = None
    ngram: int
    chat: dict[str, Any]
    grading: GraderSettings
    seed: int
    precision: str
    engine: str

    @property
    def votes(self) -> Votes | None:
        """When a majority gives a problem its answer."""
        return Votes(self.min_votes, self.min_vote_share) if self.min_votes is not None else None


def run(spec: StageSpec) -> Manifest:
    """Seals sft.parquet (the split's problems with the traces that are kept), traces.parquet (every response), counts.json."""
    s = DistillSettings.model_validate(spec.settings)
    s = s.model_copy(update={"teachers": tuple(_priced(t, spec.places) for t in s.teachers)})
    with open_work(spec) as work, Grader(s.grading, max(GRADERS, spec.runtime.threads)) as grader, ExitStack() as open_:
        prepare_torch(spec)
        problems = read_problems(work.input("split") / "sft.parquet")
        asked = [p for p in problems if s.votes or not unlabelled(p)]
        answers = _answers(work, s, asked, grader, open_)
        with TraceFile(work.out / "traces.parquet") as file:
            found = _Found(file)
            _sift_all(work, s, problems, answers, grader, found)
            ranked = _rank(work, s, problems, found)
            rows = _finish(s, problems, found)
        _check_domains(s, problems, rows, found.tally.reasons)
        write_problems(work.out / "sft.parquet", rows)
        counts = _counts(work, problems, rows, answers, found, ranked)
        (work.out / "counts.json").write_bytes(orjson.dumps(counts, option=orjson.OPT_INDENT_2))
        return work.seal(_metrics(counts))


def _priced(teacher: Teacher, places: Mapping[str, str]) -> Teacher:
    """With what its endpoint charges."""
    price = places.get(f"{PRICE}{teacher.name}")
    return teacher.model_copy(update={"price": PriceSettings.model_validate_json(price)}) if price else teacher


class _Found:
    """What became of the responses."""

    def __init__(self, file: TraceFile) -> None:
        self._file = file
        self.tally = Tally()
        self.kept: list[Trace] = []
        """In the problems' order."""
        self.labels: dict[str, str] = {}
        """Problem's id -> the majority's answer."""

    def sort_out(self, traces: Iterable[Trace]) -> None:
        """Holds those that are kept; writes the others."""
        for trace in traces:
            if trace.reason:
                self.write([trace])
            else:
                self.kept.append(trace)

    def write(self, traces: Iterable[Trace]) -> None:
        """Their fate is settled."""
        for trace in traces:
            self.tally.add(trace)
            self._file.add(trace)


def _answers(
    work: Work, s: DistillSettings, problems: Sequence[Problem], grader: Grader, caches: ExitStack
) -> list[Answers]:
    """Each teacher's; one model at a time is in memory."""
    answers = []
    for teacher in s.teachers:
        answers.append(_answers_of(work, s, teacher, problems, grader, caches))
        gc.collect()  # here nothing holds the engine any more
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return answers


def _answers_of(
    work: Work, s: DistillSettings, teacher: Teacher, problems: Sequence[Problem], grader: Grader, caches: ExitStack
) -> Answers:
    """All of one teacher's, generated or found; its engine is closed, its cache stays open as long as `caches`."""
    folder = work.scratch / TEACHERS
    folder.mkdir(exist_ok=True)
    watch = Stopwatch(folder / f"{teacher.name}.seconds")

    def check() -> None:
        watch.look()
        work.check()

    with open_teacher(work, teacher, s.seed) as engine:
        identity = dict(engine.identity)
        cache = caches.enter_context(SampleCache(folder / f"{teacher.name}.sqlite", teacher.name, identity))
        runner = Runner(engine, grader, cache, s.chat["prompt"], s.chat["system_prompt"], check)
        chosen = [p for p in problems if teacher.teaches(p)]
        seed = derive_seed(s.seed, "distill", teacher.name)
        found = ask(teacher, chosen, runner, seed, lambda done, total: work.tracker.progress(teacher.name, done, total))
        if chosen and teacher.endpoint is None and found.refused == len(chosen) * teacher.sampling.samples:
            raise DataError(
                f"teacher {teacher.name!r}: no prompt leaves room for a response of max_response_tokens = "
                f"{teacher.sampling.max_response_tokens}; raise compute.engine.max_length, or ask for shorter responses"
            )
        write_atomic(folder / f"{teacher.name}.json", orjson.dumps(identity))
    watch.look(at_once=True)
    if found.refused:
        why = "too long for its engine" if teacher.endpoint is None else "refused"
        work.tracker.note(f"teacher {teacher.name}: {found.refused} requests were {why}; they gave no trace")
    return found


def _sift_all(
    work: Work,
    s: DistillSettings,
    problems: Sequence[Problem],
    answers: Sequence[Answers],
    grader: Grader,
    found: _Found,
) -> None:
    """Problem by problem: a vote where there is no gold answer, then what may stay."""
    contaminated = contamination(read_problems(work.input("ingest") / "benchmark.parquet"), s.ngram)
    for done, problem in enumerate(problems):
        work.check()
        traces = [trace for answer in answers for trace in answer.of(problem)]
        if s.votes and traces and unlabelled(problem):
            voted = pseudo_label(problem, traces, s.votes, grader)
            if voted:
                found.labels[problem.id], traces = voted
        known = problem.traces if s.sources_too else ()
        found.sort_out(sift(traces, known, s.keep, contaminated))
        if done % 100 == 0:
            work.tracker.progress("problems", done, len(problems))


def _rank(work: Work, s: DistillSettings, problems: Sequence[Problem], found: _Found) -> Ranked | None:
    """Only the kept traces that the student learns most from stay kept."""
    if s.potential is None or not found.kept:
        return None
    folder, runtime = work.input("student") / "model", work.spec.runtime
    student = Student(
        model=load_model(folder, device_of(runtime)),
        tokenizer=load_tokenizer(folder),
        templates=s.chat["prompt"],
        system_prompt=s.chat["system_prompt"],
        precision=runtime.precision,
    )

    def report(done: int, total: int) -> None:
        work.tracker.progress("learning potential", done, total)
        work.check()

    path = work.scratch / "potential.jsonl"
    ranked = rank(student, {p.id: p for p in problems}, found.kept, s.potential, path, report)
    found.kept = []
    found.sort_out(ranked.traces)
    return ranked


def _finish(s: DistillSettings, problems: Sequence[Problem], found: _Found) -> list[Problem]:
    """The problems that have a trace and an answer to be graded by, with their traces."""
    found.write(found.kept)
    responses: dict[str, list[str]] = {}
    for trace in found.kept:
        responses.setdefault(trace.problem_id, []).append(trace.response)
    rows = []
    for problem in problems:
        traces = (*(problem.traces if s.sources_too else ()), *responses.get(problem.id, ()))
        answer = found.labels.get(problem.id, problem.answer)
        row = problem.model_copy(update={"traces": traces, "answer": answer})
        if traces and not unlabelled(row):
            rows.append(row)
    return rows


def _check_domains(
    s: DistillSettings, problems: Sequence[Problem], rows: Sequence[Problem], reasons: Counter[str]
) -> None:
    """Raises DataError where nothing is left to fine-tune on: in a domain or, for a student, at all."""
    left, asked = Counter(r.domain for r in rows), Counter(p.domain for p in problems)
    empty = sorted(d for d in asked if not left[d])
    if not empty or (s.potential and rows):
        return
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "none was written"
    mend = (
        "lower min_tokens, widen the band, or raise samples"
        if s.potential
        else "ask another teacher about it, raise its samples or max_response_tokens, or keep the sources' own with sources_too"
    )
    raise DataError(
        f"no trace is left for any of the {sum(asked[d] for d in empty)} problems of domain {empty} (all responses: {why}); {mend}"
    )


def _counts(
    work: Work,
    problems: Sequence[Problem],
    rows: Sequence[Problem],
    answers: Sequence[Answers],
    found: _Found,
    ranked: Ranked | None,
) -> dict[str, Any]:
    names = [a.teacher.name for a in answers]
    seconds = {name: seconds_kept(work.scratch / TEACHERS / f"{name}.seconds") for name in names}
    open_problems = {p.id for p in problems if unlabelled(p)}
    return {
        "problems": len(problems),
        "rows": len(rows),
        "without_trace": len(problems) - len(rows),
        "teachers": found.tally.teachers(answers, seconds),
        "pseudo_labelled": len(found.labels),
        "unlabelled": len(open_problems - found.labels.keys()),
        "contaminated": found.tally.reasons["contaminated"],
        "reasons": dict(found.tally.reasons),
        "domains": found.tally.domains(problems),
        "potential": {"buckets": ranked.buckets} if ranked else None,
    }


def _metrics(counts: dict[str, Any]) -> dict[str, float]:
    names = ("traces", "verified", "kept", "truncated", "refused", "prompt_tokens", "response_tokens", "dollars")
    sums = {name: sum(row[name] for row in counts["teachers"].values()) for name in names}
    whole = ("problems", "rows", "without_trace", "pseudo_labelled", "unlabelled", "contaminated")
    return {name: counts[name] for name in whole} | sums
