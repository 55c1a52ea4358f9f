"""Probing: problems that a language model writes and solves become the domains' probing sets [A 3.3]."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict

import orjson

from vibethinker.config.distillation import PriceSettings
from vibethinker.config.endpoint import EndpointSettings
from vibethinker.config.training import SamplingSettings
from vibethinker.data.identity import question_keys
from vibethinker.data.splits import unlabelled
from vibethinker.data.tables import read_problems, write_problems
from vibethinker.distillation.engines import EndpointTeacher
from vibethinker.distillation.probing_prompts import SOLVING
from vibethinker.distillation.probing_set import Author, ProbingSet, check_enough
from vibethinker.distillation.tally import dollars
from vibethinker.errors import ConfigError
from vibethinker.evaluation.cache import SampleCache
from vibethinker.evaluation.runner import Runner
from vibethinker.records import Problem, VerifierName
from vibethinker.rollout.engine import derive_seed
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import Work, open_work
from vibethinker.stages.rounds import PRICE
from vibethinker.verifiers.grader import Grader, GraderSettings

GRADERS = 2
"""Solutions graded at once, at least."""


def run(spec: StageSpec) -> Manifest:
    """Seals probe.parquet, rejected.jsonl (what was written and not kept, with the reason), counts.json."""
    s = spec.settings
    price = PriceSettings.model_validate_json(spec.places[PRICE])
    check_writable(s["domains"])
    with open_work(spec) as work, _author(work) as author:
        examples = [p for p in read_problems(work.input("split") / "sft.parquet") if not unlabelled(p)]
        for domain in s["domains"]:  # before anything is asked: can its solutions be graded here?
            author.runner.grader.check([p for p in examples if p.domain == domain])
        sets = [
            author.write(d, v, [p for p in examples if p.domain == d], work.tracker.progress)
            for d, v in s["domains"].items()
        ]
        lines = [orjson.dumps(asdict(r)) + b"\n" for made in sets for r in made.rejected]
        (work.out / "rejected.jsonl").write_bytes(b"".join(lines))
        for note in filter(None, [check_enough(made, s["problems"]) for made in sets]):
            work.tracker.note(note)
        write_problems(work.out / "probe.parquet", [p for made in sets for p in made.kept])
        figures, domains = _figures(sets, price), {made.domain: len(made.kept) for made in sets}
        counts = orjson.dumps({**figures, "domains": domains}, option=orjson.OPT_INDENT_2)
        (work.out / "counts.json").write_bytes(counts)
        return work.seal(figures | {f"{d}/kept": float(n) for d, n in domains.items()})


def check_writable(domains: Mapping[str, VerifierName]) -> None:
    """Raises ConfigError for a domain whose problems no model is asked to write."""
    for domain, verifier in domains.items():
        if verifier not in SOLVING:
            raise ConfigError(
                f"probing_set: domain {domain!r} has the verifier {verifier}, and a model can write problems for "
                f"{', '.join(SOLVING)} only; take out probing_set or the domain"
            )


@contextmanager
def _author(work: Work) -> Iterator[Author]:
    """Asks the endpoint; whatever it says is on disk at once, so that a kill repeats no paid request."""
    spec, s = work.spec, work.spec.settings
    engine = EndpointTeacher(EndpointSettings.model_validate_json(spec.places["endpoint"]))
    sampling = SamplingSettings(
        samples=s["solutions"], max_response_tokens=s["max_response_tokens"], temperature=s["temperature"]
    )
    with ExitStack() as stack:
        cache = stack.enter_context(SampleCache(work.scratch / "asked.sqlite", "", engine.identity))
        grading = GraderSettings.model_validate(s["grading"])
        grader = stack.enter_context(Grader(grading, max(GRADERS, spec.runtime.threads)))
        templates = {**SOLVING, **s["chat"]["prompt"]}
        yield Author(
            runner=Runner(engine, grader, cache, templates, s["chat"]["system_prompt"], work.check),
            known={key for p in _split_rows(work) for key in question_keys(p)},
            benchmark=read_problems(work.input("ingest") / "benchmark.parquet"),
            ngram=s["ngram"],
            problems=s["problems"],
            sampling=sampling,
            seed=derive_seed(s["seed"], "probing"),
        )


def _split_rows(work: Work) -> Iterator[Problem]:
    for path in sorted(work.input("split").glob("*.parquet")):
        yield from read_problems(path)


def _figures(sets: Sequence[ProbingSet], price: PriceSettings) -> dict[str, float]:
    prompt, response = sum(m.prompt_tokens for m in sets), sum(m.response_tokens for m in sets)
    return {
        "written": sum(m.written for m in sets),
        "malformed": sum(m.count("malformed") for m in sets),
        "duplicates": sum(m.count("duplicate") for m in sets),
        "contaminated": sum(m.count("contaminated") for m in sets),
        "disagreed": sum(m.count("disagreed") for m in sets),
        "kept": sum(len(m.kept) for m in sets),
        "requests": sum(m.requests for m in sets),
        "prompt_tokens": prompt,
        "response_tokens": response,
        "dollars": dollars(price, prompt, response),
    }
