"""Shipped profiles parse; what is wrong is refused with the field, the value and the mend."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from vibethinker.config.load import load_profile, profile_names, validate_profile
from vibethinker.errors import ConfigError

LAB = str(Path(__file__).parents[1] / "lab.yaml")


def test_the_shipped_profiles() -> None:
    assert set(profile_names()) >= {
        "tiny", "smollm2", "smollm2-short", "paper-1.5b", "paper-1.5b-trajectory", "paper-3b"
    }  # fmt: skip


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_parse_and_survive_a_round_trip(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert validate_profile(profile.model_dump(mode="json"), name) == profile


def test_the_paper_profile_has_the_reports_values() -> None:
    profile = load_profile("paper-1.5b")
    assert (profile.budget.device_type, profile.budget.rate, profile.budget.limit) == ("H800", 2.0, 7800)  # [A 3.6]
    assert profile.data.decontamination.ngram == 10  # [A 3.5]
    assert [s.max_response_tokens for s in profile.mgpo.stages[:2]] == [16384, 32768]  # [A 3.2]
    maths, code = profile.benchmark.sampling["maths"], profile.benchmark.sampling["code"]
    assert (maths.samples, maths.temperature, maths.top_p, maths.max_response_tokens) == (
        64,
        1.0,
        0.95,
        40960,
    )  # [A 4.1]
    assert (code.samples, code.temperature) == (8, 0.6)
    assert profile.mgpo.stages[0].prefilter_samples == 0  # [B] only
    assert load_profile("paper-1.5b-trajectory").sft.mode == "trajectory"
    assert {s.max_response_tokens for s in load_profile("paper-3b").mgpo.stages} == {65536}
    assert [s.long2short for s in load_profile("paper-3b").mgpo.stages] == [0.0, 0.2, 0.0]


def test_loading_needs_no_machine_learning_library() -> None:
    code = (
        "import sys; from vibethinker.config.load import load_profile; load_profile('tiny')\n"
        "print([m for m in ('torch', 'transformers', 'pandas', 'mlflow', 'prefect', 'numpy') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "override, read",
    [
        ("seed=5", lambda p: p.seed == 5),
        ("mgpo.lambda_me=0", lambda p: p.mgpo.lambda_me == 0.0),
        ("mgpo.learning_rate=1e-6", lambda p: p.mgpo.learning_rate == 1e-6),
        ("mgpo.stages.1.steps=7", lambda p: [s.steps for s in p.mgpo.stages] == [30, 7, 15]),
        ("mgpo.stages.code.steps=7", lambda p: p.mgpo.stages[2].steps == 7),
        ("fusion.weights.algebra=0.5", lambda p: p.fusion.weights == {"algebra": 0.5}),
        ("fusion.weights={algebra: 1, code: 3}", lambda p: p.fusion.weights == {"algebra": 1.0, "code": 3.0}),
        ("base.system_prompt=a=b", lambda p: p.base.system_prompt == "a=b"),
        ("data.sources.lab-train.limit=3000", lambda p: p.data.sources[1].limit == 3000),
    ],
)
def test_overrides(override: str, read: Any) -> None:
    assert read(load_profile(LAB, [override]))


def test_later_overrides_win() -> None:
    assert load_profile(LAB, ["seed=1", "seed=2"]).seed == 2


BAD = [
    # spelled wrongly, or of the wrong kind
    ("mgpo.lamda_me=2", "mgpo.lamda_me", "2", "unknown key"),
    ("sead=3", "sead", "3", "unknown key"),
    ("mgpo.stages.0.window=3", "mgpo.stages.0.window", "3", "unknown key"),
    ("seed=x", "seed", "'x'", "integer"),
    ("seed=1.5", "seed", "1.5", "integer"),
    ("compute.device=gpu", "compute.device", "'gpu'", "'cuda'"),
    ("sft.mode=both", "sft.mode", "'both'", "'trajectory'"),
    ("mgpo.standardise=std", "mgpo.standardise", "'std'", "'sample'"),
    ("selection.rule=best", "selection.rule", "'best'", "'pass_at_k'"),
    ("domains.algebra=physics", "domains.algebra", "'physics'", "'maths'"),
    ("mgpo.lambda_me=", "mgpo.lambda_me", "None", "number"),  # YAML reads nothing as null
    ("base.system_prompt=", "base.system_prompt", "None", "string"),
    ("mgpo.stages=[]", "mgpo.stages", "[]", "at least 1"),
    ("name=My Profile", "name", "'My Profile'", "pattern"),
    # out of range
    ("mgpo.lambda_me=-1", "mgpo.lambda_me", "-1", "greater than or equal to 0"),
    ("mgpo.group_size=1", "mgpo.group_size", "1", "greater than or equal to 2"),
    ("mgpo.clip_low=1", "mgpo.clip_low", "1", "less than 1"),
    ("mgpo.temperature=0", "mgpo.temperature", "0", "greater than 0"),
    ("mgpo.learning_rate=.nan", "mgpo.learning_rate", "nan", "finite"),
    ("mgpo.learning_rate=.inf", "mgpo.learning_rate", "inf", "finite"),
    ("budget.limit=.inf", "budget.limit", "inf", "finite"),
    ("budget.limit=0", "budget.limit", "0", "greater than 0"),
    ("budget.estimates.mgpo=.nan", "budget.estimates.mgpo", "nan", "finite"),
    ("probe.sampling.top_p=1.2", "probe.sampling.top_p", "1.2", "less than or equal to 1"),
    ("data.decontamination.ngram=1", "data.decontamination.ngram", "1", "greater than or equal to 2"),
    ("data.splits.rl=0", "data.splits.rl", "0", "greater than or equal to 1"),
    # alone each is fine, together they are not
    ("probe.k=99", "probe.k", "99", "n >= K"),
    ("mgpo.minibatches=999", "mgpo.minibatches", "999", "mgpo.prompts_per_step"),
    ("base.positions=4096", "base.positions", "4096", "take it out"),  # lab's base is made here
    ("compute.engine={kind: vllm, max_length: 20}", "compute.engine.max_length", "20", "raise it"),
    ("benchmark.k=99", "benchmark.k", "99", "n >= K"),
    ("fusion.weights.algebra=-1", "fusion.weights", "-1", "positive sum"),
    ("fusion.weights={algebra: 0}", "fusion.weights", "0", "positive sum"),
    ("fusion.weights.history=1", "fusion.weights", "history", "not among"),
    ("mgpo.stages.code.domains=[history]", "mgpo.stages[code].domains", "history", "not among"),
    ("mgpo.stages.code.name=maths-short", "mgpo.stages", "maths-short", "unique"),
    ("data.sources.1.name=lab-benchmark", "data.sources", "lab-benchmark", "unique"),
    ("data.sources.1.role=benchmark", "data.sources", "'train'", "add one"),
    ("data.sources.1.path=x.jsonl", "lab-train", "path", "exactly one"),
    ("data.sources.1.generator=", "data.sources.1.generator", "None", "'tiny'"),
    ("data.sources.1.limit=0", "lab-train", "limit", "rows per domain"),
    ("data.sources.1.domain=history", "data.sources[lab-train]", "history", "not among"),
    ("promotion.sampling={maths: {samples: 4, max_response_tokens: 9}}", "promotion.sampling", "code", "no entry"),
    # would break folders and prompts
    ("domains={../x: maths}", "domains", "../x", "pattern"),
    ("domains.Two words=maths", "domains", "Two words", "pattern"),
    ("base.prompt.maths=Answer in a box.", "base.prompt", "Answer in a box.", "{question}"),
    ("base.prompt.essay='{question}'", "base.prompt", "essay", "'maths'"),
    ("base.system_prompt={be: brief}", "base.system_prompt", "brief", "string"),
    # paths that lead nowhere
    ("seed.x=1", "seed.x", "1", "does not lead to a setting"),
    ("compute.parallel.x=2", "compute.parallel.x", "2", "does not lead to a setting"),
    ("mgpo.stages.9.steps=3", "mgpo.stages.9.steps", "9", "does not lead to a setting"),
    ("mgpo.stages.nope=3", "mgpo.stages.nope", "nope", "does not lead to a setting"),
    ("mgpo.lambda_me", "mgpo.lambda_me", "", "dotted.key=value"),
    ("=3", "=3", "3", "dotted.key=value"),
    ("mgpo.lambda_me=[", "mgpo.lambda_me", "[", "not YAML"),
]  # fmt: skip


@pytest.mark.parametrize("override, field, value, mend", BAD, ids=[b[0] for b in BAD])
def test_bad_settings_are_named(override: str, field: str, value: str, mend: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_profile(LAB, [override])
    message = str(error.value)
    assert field in message
    assert value in message
    assert mend in message


def test_a_benchmark_source_of_a_domain_the_suite_does_not_measure() -> None:
    overrides = ["benchmark.domains={olympiad: maths}", "data.sources.lab-benchmark.domain=algebra"]
    with pytest.raises(ConfigError, match=r"data\.sources\[lab-benchmark\] names domains \['algebra'\], not among"):
        load_profile(LAB, overrides)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        load_profile(LAB, ["seed=x", "mgpo.clip_low=7", "budget.rate=-1"])
    assert all(field in str(error.value) for field in ("seed", "mgpo.clip_low", "budget.rate"))


def write(folder: Path, name: str, values: Any) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
    return str(path)


def test_a_file_that_extends_a_shipped_profile(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "mine",
        {"extends": "tiny", "name": "mine", "mgpo": {"lambda_me": 0}, "probe": {"sampling": {"samples": 16}}},
    )
    profile, tiny = load_profile(path, ["seed=3"]), load_profile("tiny")
    assert (profile.name, profile.seed, profile.mgpo.lambda_me, profile.probe.sampling.samples) == ("mine", 3, 0.0, 16)
    assert profile.mgpo.stages == tiny.mgpo.stages
    assert profile.probe.sampling.max_response_tokens == tiny.probe.sampling.max_response_tokens


def test_null_takes_an_inherited_key_out(tmp_path: Path) -> None:
    profile = load_profile(write(tmp_path, "mine", {"extends": "tiny", "name": "mine", "sft": {"epochs": None}}))
    assert profile.sft.epochs == 1.0  # the field's own default, not tiny's value
    assert load_profile("tiny").sft.epochs != 1.0


@pytest.mark.parametrize(
    "text, part",
    [
        ("- a\n- b\n", "must hold a mapping"),
        ("", "must hold a mapping"),
        ("a: [", "can't be read"),
        ("extends: nowhere\n", "no profile named 'nowhere'"),
        ("extends: 5\n", "5"),
        ("extends: [tiny]\n", "tiny"),
    ],
)
def test_files_that_are_no_profile(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        load_profile(write(tmp_path, "bad", text))


def test_names_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no profile named 'tinny'; there are .*tiny"):
        load_profile("tinny")
    with pytest.raises(ConfigError, match="can't be read"):
        load_profile(str(tmp_path / "no.yaml"))


@pytest.mark.parametrize("length", [1, 2, 3])
def test_extending_in_a_circle(tmp_path: Path, length: int) -> None:
    for i in range(length):
        path = write(tmp_path, f"p{i}", {"extends": str(tmp_path / f"p{(i + 1) % length}.yaml")})
    with pytest.raises(ConfigError, match="circle"):
        load_profile(path)
