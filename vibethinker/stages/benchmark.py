"""Benchmark: one model on one problem set, scored with intervals. Also measures the promotion set."""

import orjson

from vibethinker.config.training import SamplingSettings
from vibethinker.data.tables import read_problems, set_digest, write_samples
from vibethinker.errors import VibeThinkerError
from vibethinker.evaluation.cache import SampleCache
from vibethinker.evaluation.paths import path_figures, path_sizes
from vibethinker.evaluation.runner import sample_and_grade
from vibethinker.evaluation.scores import correct_counts, score_domains
from vibethinker.rollout.engine import derive_seed
from vibethinker.runs.manifest import Manifest
from vibethinker.runs.spec import StageSpec
from vibethinker.runs.work import open_work
from vibethinker.stages.setting import open_setting

MAX_UNKNOWN = 0.005
"""Share of `unknown` verdicts above which a benchmark fails (promise 6)."""


def run(spec: StageSpec) -> Manifest:
    """Seals samples.parquet, scores.json, and questions.json: domain -> problem -> (n, c)."""
    s = spec.settings
    with open_work(spec) as work, open_setting(spec, work.input("model") / s["folder"]) as setting:
        problems = read_problems(work.input("split") / f"{s['set']}.parquet")
        sampling = {v: SamplingSettings.model_validate(how) for v, how in s["sampling"].items()}
        seed = derive_seed(setting.seed, s["set"])
        with SampleCache(work.scratch / "samples.sqlite", s["model"], setting.engine.identity) as cache:
            runner = setting.runner(cache, work.check)
            samples = sample_and_grade(runner, problems, sampling, seed, work.tracker.progress)
        scores = score_domains(samples, s["k"])
        overall = scores.pop("overall")
        check_unknown(overall.unknown)
        paths = path_figures(path_sizes(samples, {p.id: p for p in problems}))
        write_samples(work.out / "samples.parquet", samples)
        report = {
            "model": s["model"],
            "set": s["set"],
            "k": s["k"],
            "sampling": s["sampling"],
            "digest": set_digest(problems),
            "domains": {d: score.model_dump() | paths[d] for d, score in scores.items()},
            "overall": overall.model_dump() | paths["overall"],
        }
        (work.out / "scores.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        (work.out / "questions.json").write_bytes(orjson.dumps(correct_counts(samples)))
        flat = {
            f"{d}/{name}": getattr(score, name) for d, score in scores.items() for name in ("pass_at_1", "pass_at_k")
        }
        every = {
            "pass_at_1": overall.pass_at_1,
            "pass_at_k": overall.pass_at_k,
            "truncated": overall.truncated,
            "distinct_paths": paths["overall"]["distinct_paths"],
        }
        return work.seal({**flat, **every})


def check_unknown(share: float) -> None:
    """Raises VibeThinkerError where so many verdicts are missing that the score says nothing (promise 6)."""
    if share > MAX_UNKNOWN:
        raise VibeThinkerError(
            f"{share:.1%} of the verdicts are unknown, above {MAX_UNKNOWN:.1%}: graders failed on this machine, see the log"
        )
