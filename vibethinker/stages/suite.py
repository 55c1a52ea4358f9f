"""Suite: one model on one benchmark, sampled and graded as its protocol says; with CLR and a judge's opinion where wanted."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vibethinker.config.base import Settings
from vibethinker.config.benchmark import BenchmarkSpec, ProtocolSettings
from vibethinker.config.clr import ClrSettings
from vibethinker.config.endpoint import EndpointSettings, JudgeSettings
from vibethinker.config.training import SamplingSettings
from vibethinker.data.benchmarks import LoadedBenchmark, code_limits, load_problems
from vibethinker.data.identity import seeded_order
from vibethinker.data.tables import set_digest, write_problems, write_samples
from vibethinker.evaluation.benchmark_report import BenchmarkReport, ClrScore, DamagedRow, SamplingUsed
from vibethinker.evaluation.cache import SampleCache
from vibethinker.evaluation.cached_engine import CachedEngine
from vibethinker.evaluation.clr import ClrResult, run_clr
from vibethinker.evaluation.clusters import answer_clusters
from vibethinker.evaluation.consensus import Clusters
from vibethinker.evaluation.judging import endpoint_judge
from vibethinker.evaluation.opinions import judged
from vibethinker.evaluation.protocol import Protocol, not_comparable
from vibethinker.evaluation.runner import Runner, Samples
from vibethinker.evaluation.scores import BenchmarkScore, score_benchmark
from vibethinker.records import Problem, Sample
from vibethinker.reports.context import reported_results
from vibethinker.rollout.engine import derive_seed
from vibethinker.rollout.text import TextEngine, TextSampling
from vibethinker.runs.manifest import Manifest, write_atomic
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import Work, open_work
from vibethinker.stages.benchmark import check_unknown
from vibethinker.stages.suite_model import SuiteModel, local_model, served_model
from vibethinker.verifiers.grader import Grader, GraderSettings
from vibethinker.verifiers.sandbox import CodeLimits

REPORT_ENGINE = "vLLM"
"""Of both reports [A 4.1, E]."""
GRADERS = ("math-verify", "sympy")
"""Packages whose version may change a verdict."""


class SuiteSettings(Settings):
    """Settings of one node, as `suite_nodes` writes them."""

    benchmark: BenchmarkSpec
    rows: str
    grading: int
    model: str
    system_prompt: str
    endpoint: dict[str, Any] | None
    protocol: ProtocolSettings
    suite_protocol: ProtocolSettings
    report: str
    limit: int
    k: tuple[int, ...]
    judge: dict[str, Any] | None
    clr: ClrSettings | None
    seed: int
    precision: str
    engine: str


def run(spec: StageSpec) -> Manifest:
    """Seals scores.json, samples.parquet and problems.parquet."""
    s = SuiteSettings.model_validate(spec.settings)
    with open_work(spec) as work, Grader(grading(s.benchmark), max(2, spec.runtime.threads)) as grader:
        loaded = load_problems(s.benchmark, Path(spec.places["data"]) if "data" in spec.places else None, s.seed)
        problems = part(loaded.problems, s.limit, s.seed)
        work.tracker.note(
            f"{len(problems)} of {s.benchmark.count} questions of {s.benchmark.title}, {_short(loaded.source)}"
        )
        write_problems(work.out / "problems.parquet", problems)
        model = _model(spec, work, s, problems)
        sampling = SamplingSettings(**s.protocol.model_dump() | {"max_response_tokens": model.max_response_tokens})
        cache = spec.workspace / "samples" / f"{model.digest[:16]}.sqlite"
        with closing(model), SampleCache(cache, model.digest, model.engine.identity) as kept:
            runner = Runner(model.engine, grader, kept, _templates(s), s.system_prompt, work.check)
            progress = partial(work.tracker.progress, "responses")
            samples = runner.run(problems, sampling, derive_seed(s.seed, s.benchmark.name), progress)
            measured = _measured(work, s, samples, problems, grader)
            clr = _clr(work, s, CachedEngine(model.engine, kept), samples, problems, measured, sampling)
        check_unknown(measured.score.unknown)
        report = _report(s, model, sampling, loaded, problems, measured.score, clr)
        write_atomic(work.out / "scores.json", report.to_bytes())
        return work.seal(_metrics(report))


def part(problems: Sequence[Problem], limit: int, seed: int) -> list[Problem]:
    """A seeded choice of at most `limit` problems in the benchmark's order; all of them for 0."""
    chosen = set(seeded_order([p.id for p in problems], seed)[: limit or None])
    return [p for p in problems if p.id in chosen]


def grading(benchmark: BenchmarkSpec) -> GraderSettings:
    """How its responses are graded. Raises ConfigError where its limits are none of the sandbox's."""
    limits = code_limits(benchmark) if benchmark.verifier == "code" else CodeLimits()
    return GraderSettings(
        code=limits,
        fallbacks=tuple(f for f in benchmark.fallbacks if f != "bare_program"),
        bare_programs="bare_program" in benchmark.fallbacks,
        livecodebench=benchmark.of_livecodebench,
    )


def _short(source: str) -> str:
    return re.sub(r" sha256:(\w{12})\w+", r" \1", source)


def _templates(s: SuiteSettings) -> dict[str, str]:
    return {s.benchmark.verifier: s.benchmark.prompt}


def _model(spec: StageSpec, work: Work, s: SuiteSettings, problems: Sequence[Problem]) -> SuiteModel:
    cap = s.protocol.max_response_tokens
    if s.endpoint:
        return served_model(EndpointSettings.model_validate_json(spec.places["endpoint"]), cap)
    model = local_model(spec, work.input("model") / "model", problems, _templates(s), s.system_prompt, cap)
    if cap and model.max_response_tokens < cap:
        work.tracker.note(f"responses end at {model.max_response_tokens} tokens, not at {cap}: the model takes no more")
    return model


@dataclass(frozen=True)
class _Measured:
    score: BenchmarkScore
    clusters: Clusters | None


def _measured(work: Work, s: SuiteSettings, samples: Samples, problems: Sequence[Problem], grader: Grader) -> _Measured:
    """Writes samples.parquet, with the judge's opinions where one is asked, and scores it without holding the texts."""
    by_id = {p.id: p for p in problems}
    judge = None
    if s.judge and s.benchmark.verifier == "maths":
        settings = JudgeSettings.model_validate_json(work.spec.places["judge"])
        judge = judged(samples, by_id, endpoint_judge(settings))
    light: list[Sample] = []

    def rows() -> Iterator[Sample]:
        for sample in judge.beside(samples) if judge else samples:
            light.append(sample.model_copy(update={"response": ""}))
            yield sample

    write_samples(work.out / "samples.parquet", rows())
    clusters = answer_clusters(light, by_id, grader)
    return _Measured(score_benchmark(light, s.k, clusters), clusters)


def _clr(
    work: Work,
    s: SuiteSettings,
    engine: TextEngine,
    samples: Samples,
    problems: Sequence[Problem],
    measured: _Measured,
    sampling: SamplingSettings,
) -> ClrResult | None:
    """Claims and verdicts are sampled as the responses were, at the temperature of [B]."""
    if s.clr is None or measured.clusters is None:
        return None
    how = TextSampling(sampling.max_response_tokens, 1.0, sampling.top_p, derive_seed(s.seed, s.benchmark.name, "clr"))

    def progress(done: int, total: int) -> None:
        work.tracker.progress("clr", done, total)
        work.check()

    result = run_clr(engine, problems, samples, measured.clusters, s.clr, how, progress)
    write_atomic(work.out / "clr.json", result.model_dump_json(indent=2).encode())
    return result


def _report(
    s: SuiteSettings,
    model: SuiteModel,
    sampling: SamplingSettings,
    loaded: LoadedBenchmark,
    problems: Sequence[Problem],
    score: BenchmarkScore,
    clr: ClrResult | None,
) -> BenchmarkReport:
    reported = s.report and s.benchmark.name in reported_results()[0]
    return BenchmarkReport(
        benchmark=s.benchmark.name,
        title=s.benchmark.title,
        model=s.model,
        model_digest=model.digest,
        verifier=s.benchmark.verifier,
        prompt=s.benchmark.prompt,
        sampling=SamplingUsed(**sampling.model_dump()),
        seed=s.seed,
        digest=set_digest(problems),
        engine=dict(model.engine.identity),
        versions={name: version(name) for name in GRADERS},
        grading=grading(s.benchmark).model_dump(mode="json"),
        count=s.benchmark.count,
        questions=len(problems),
        damaged=tuple(DamagedRow.model_validate(row) for row in loaded.damaged),
        k=s.k,
        score=score,
        report=s.report or None,
        report_column=s.benchmark.name if reported else None,
        not_comparable=tuple(_differences(s, model, sampling, loaded, problems)) if reported else (),
        clr=ClrScore(**clr.model_dump(include=set(ClrScore.model_fields))) if clr else None,
    )


def _differences(
    s: SuiteSettings,
    model: SuiteModel,
    sampling: SamplingSettings,
    loaded: LoadedBenchmark,
    problems: Sequence[Problem],
) -> list[str]:
    """From the report's protocol, which the suite holds."""
    remarks = (*s.benchmark.remarks, *(("with a system prompt",) if s.system_prompt else ()))
    theirs = s.suite_protocol
    ours = Protocol(
        questions=len(problems),
        samples=sampling.samples,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_response_tokens=sampling.max_response_tokens if s.protocol.max_response_tokens else None,
        prompt=s.benchmark.prompt,
        engine=model.engine.identity["engine"],
        grader=None,
        damaged=len(loaded.damaged),
        remarks=remarks,
    )
    return not_comparable(
        ours,
        Protocol(
            questions=s.benchmark.count - len(loaded.damaged),
            prompt=None,  # the benchmark's own file has it
            engine=REPORT_ENGINE,
            grader=None,
            **theirs.model_dump(),
        ),
    )


def _metrics(report: BenchmarkReport) -> dict[str, float]:
    score = report.score
    figures = {"pass_at_1": score.pass_at_1, **{f"pass_at_{k}": v for k, v in score.pass_at_k.items() if k > 1}}
    if score.consensus:
        figures["consensus"] = score.consensus
    figures |= {f"opinion/{name}": value for name, value in score.opinions.items()}
    if report.clr:
        figures |= {"clr": report.clr.score, "clr_majority": report.clr.majority}
    return {
        **{name: value.mean for name, value in figures.items()},
        "pass_at_1_low": score.pass_at_1.low,
        "pass_at_1_high": score.pass_at_1.high,
        "questions": report.questions,
        "responses": score.samples,
        "truncated": score.truncated,
        "unanswered": score.unanswered,
        "unknown": score.unknown,
        "mean_tokens": score.tokens.mean,
    }
