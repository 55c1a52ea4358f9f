"""Curriculum: the hard subset for the second round of expert SFT, measured with a reference model's rollouts [B]."""

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from vibethinker.config.training import SamplingSettings
from vibethinker.data.splits import unlabelled
from vibethinker.data.tables import read_problems, write_problems
from vibethinker.distillation.difficulty import Rated, check_domains, check_long, hard_subset, judged, rate, tally
from vibethinker.evaluation.cache import SampleCache
from vibethinker.models.chat import conversation
from vibethinker.models.checkpoint import load_tokenizer
from vibethinker.records import Problem
from vibethinker.rollout.engine import derive_seed
from vibethinker.rollout.fitting import fitting
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import Work, open_work
from vibethinker.stages.rounds import MODEL
from vibethinker.stages.setting import Setting, longest_of, open_setting
from vibethinker.training.documents import AT_ONCE

_DIFFICULTY = pa.schema(
    {
        "problem_id": pa.string(),
        "domain": pa.string(),
        "samples": pa.int64(),
        "correct": pa.int64(),
        "longest_trace": pa.int64(),
        "kept": pa.bool_(),
    }
)


def run(spec: StageSpec) -> Manifest:
    """Seals sft.parquet (the hard subset), difficulty.parquet (each problem's rollouts and longest trace), counts.json."""
    s = spec.settings
    share, tokens, domains = s["fail_share"], s["min_trace_tokens"], s["domains"]
    with open_work(spec) as work:
        problems = [p for p in read_problems(work.input("traces") / "sft.parquet") if p.domain in domains]
        model = work.input("reference") / MODEL
        lengths = trace_tokens(load_tokenizer(model), problems, work.check)
        check_long(problems, lengths, domains, tokens)
        with open_setting(spec, model) as setting:
            sampling = SamplingSettings.model_validate(s["sampling"])
            fit = _fitting(work, setting, problems, sampling.max_response_tokens)
            counts = _rollouts(work, setting, fit, sampling)
        rated = rate(problems, counts, lengths, share, tokens)
        check_domains(rated, domains, share, tokens)
        write_problems(work.out / "sft.parquet", hard_subset(rated))
        _write_difficulty(work.out / "difficulty.parquet", rated)
        (work.out / "counts.json").write_bytes(
            orjson.dumps(
                _counts(rated, domains, s["reference"]) | {"too_long_prompts": len(problems) - len(fit)},
                option=orjson.OPT_INDENT_2,
            )
        )
        return work.seal(_metrics(rated, domains))


def trace_tokens(
    tokenizer: PreTrainedTokenizerBase, problems: Sequence[Problem], check: Callable[[], None]
) -> list[list[int]]:
    """Tokens of each trace of each problem, special ones not counted. check: may raise to stop."""
    traces = (trace for problem in problems for trace in problem.traces)
    counted: list[int] = []
    while some := list(islice(traces, AT_ONCE)):
        check()
        counted += [len(token_ids) for token_ids in tokenizer(some, add_special_tokens=False)["input_ids"]]
    lengths = iter(counted)
    return [[next(lengths) for _ in problem.traces] for problem in problems]


def _fitting(work: Work, setting: Setting, problems: Sequence[Problem], max_response_tokens: int) -> list[Problem]:
    """Those that the engine takes: one long prompt must not end the stage. The others get no rollout."""
    longest = longest_of(setting.folder, work.spec.runtime)
    if longest is None:
        return list(problems)
    asked = [conversation(p, setting.templates, setting.system_prompt) for p in problems]
    fit = fitting(setting.tokenizer, asked, max_response_tokens, longest)
    found = [problem for problem, messages in zip(problems, asked, strict=True) if messages in fit]
    if len(found) < len(problems):
        work.tracker.note(
            f"{len(problems) - len(found)} prompts with a response of up to {max_response_tokens} tokens are longer than the "
            f"engine's {longest} (compute.engine.max_length); they got no rollout"
        )
    return found


def _rollouts(
    work: Work, setting: Setting, problems: Sequence[Problem], sampling: SamplingSettings
) -> dict[str, tuple[int, int]]:
    """Problem's id -> (judged, correct) of its rollouts; one without a gold answer can't be judged, and gets none."""
    gradable = [p for p in problems if not unlabelled(p)]
    weights = work.spec.inputs["reference"].digest
    with SampleCache(work.scratch / "rollouts.sqlite", weights, setting.engine.identity) as cache:
        samples = setting.runner(cache, work.check).run(
            gradable,
            sampling,
            derive_seed(setting.seed, "difficulty"),
            lambda done, total: work.tracker.progress("rollouts", done, total),
        )
        return judged(samples)


def _write_difficulty(path: Path, rated: Sequence[Rated]) -> None:
    pq.write_table(pa.Table.from_pylist([r.row for r in rated], schema=_DIFFICULTY), path, compression="zstd")


def _counts(rated: Sequence[Rated], domains: Sequence[str], reference: str) -> dict[str, object]:
    each = {d: tally([r for r in rated if r.problem.domain == d]) for d in domains}
    return {"reference": reference, **tally(rated), "domains": each}


def _metrics(rated: Sequence[Rated], domains: Sequence[str]) -> dict[str, float]:
    """How many are hard, long, kept; the reference model's pass rate; kept ones by domain."""
    rollouts, correct = sum(r.samples for r in rated), sum(r.correct for r in rated)
    traces = sum(sum(r.long) for r in rated if r.kept)
    each: dict[str, float] = {f"{d}/kept": tally([r for r in rated if r.problem.domain == d])["kept"] for d in domains}
    found: dict[str, float] = {
        **tally(rated),
        "traces": traces,
        "rollouts": rollouts,
        "pass_rate": correct / max(1, rollouts),
    }
    return found | each
