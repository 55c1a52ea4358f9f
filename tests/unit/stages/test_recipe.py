"""The recipe's shape, and that a setting changes only what depends on it."""

from pathlib import Path

import pytest

from vibethinker.config.load import load_profile, profile_names
from vibethinker.config.profile import Profile
from vibethinker.data.identity import source_path
from vibethinker.errors import ConfigError
from vibethinker.models.identity import model_digest
from vibethinker.stages.recipe import VERSIONS, benchmark_models, final_model, fingerprints, recipe

LAB = str(Path(__file__).parents[1] / "lab.yaml")
DOMAINS = ["algebra", "geometry", "calculus", "statistics", "code"]
EXPERTS = {f"expert-{d}" for d in DOMAINS}
MODELS = {"base", "fused", "mgpo-maths-short", "mgpo-maths-long", "mgpo-code"}
SPECTRUM = {*EXPERTS, "select", "fuse", *(f"benchmark-{e}" for e in EXPERTS), "benchmark-fused"}
GATE = "gate-mgpo-code"
ROUNDS = (
    "sft.curriculum={min_trace_tokens: 10, sampling: {samples: 8, max_response_tokens: 64}}",
    "self_distillation={sampling: {samples: 4, max_response_tokens: 64}}",
)
"""The second report's rounds."""
ENDPOINT = "{base_url: 'http://localhost:1/v1', model: big}"
PROBING_SET = f"probing_set={{endpoint: {ENDPOINT}}}"


def after_stage(stage: str) -> set[str]:
    """An MGPO stage, those behind it, and what measures them."""
    names = ["mgpo-maths-short", "mgpo-maths-long", "mgpo-code"]
    behind = names[names.index(f"mgpo-{stage}") :]
    return {*behind, *(f"benchmark-{n}" for n in behind), GATE}


SIGNAL = after_stage("maths-short")
MEASURED = {f"benchmark-{m}" for m in MODELS | EXPERTS}
EVERYTHING = {
    "ingest", "decontaminate", "split", "base", "benchmark-base", *SPECTRUM, *SIGNAL
}  # fmt: skip


def prints(*overrides: str, name: str = LAB) -> dict[str, str]:
    return fingerprints(recipe(load_profile(name, overrides)))


@pytest.fixture(scope="module")
def lab() -> dict[str, str]:
    return prints()


def changed(lab: dict[str, str], *overrides: str) -> set[str]:
    other = prints(*overrides)
    return {n for n in {*lab, *other} if lab.get(n) != other.get(n)}


def test_the_nodes(lab: dict[str, str]) -> None:
    assert set(lab) == EVERYTHING
    assert len(set(lab.values())) == len(lab)


def test_fingerprints_are_the_same_again(lab: dict[str, str]) -> None:
    assert prints() == lab


@pytest.mark.parametrize(
    "override",
    [
        "budget.limit=2",
        "budget.rate=7",
        "budget.device_type=H800",
        "budget.estimates.mgpo=9",
        "registry.model_name=other",
        "registry.experiment=other",
        "compute.threads=1",
        "compute.parallel=5",
        "compute.devices_per_stage=2",
        "compute.device=cuda",
        "promotion.floor=0.9",
        "promotion.min_effect=0.5",
        "promotion.interval=0.9",
        "name=other",
        "description=other",
    ],
)
def test_what_is_no_part_of_any_identity(lab: dict[str, str], override: str) -> None:
    assert changed(lab, override) == set()


@pytest.mark.parametrize(
    "override, expected",
    [
        ("data.sources.lab-train.limit=2900", EVERYTHING),
        ("data.sources.lab-train.seed=9", EVERYTHING),
        ("data.decontamination.ngram=9", EVERYTHING - {"ingest"}),
        ("data.splits.rl=401", EVERYTHING - {"ingest", "decontaminate"}),
        ("data.splits.seed=18", EVERYTHING - {"ingest", "decontaminate"}),
        ("seed=18", EVERYTHING - {"ingest", "decontaminate", "split"}),  # two seeds share one promotion set
        ("base.scratch.steps=999", {"base", "benchmark-base", *SPECTRUM, *SIGNAL}),
        ("base.system_prompt=Think.", {"base", "benchmark-base", *SPECTRUM, *SIGNAL}),
        ("compute.precision=bfloat16", {"base", "benchmark-base", *SPECTRUM, *SIGNAL}),
        ("sft.epochs=3", SPECTRUM | SIGNAL),
        ("probe.every=21", SPECTRUM | SIGNAL),
        ("probe.sampling.samples=9", SPECTRUM | SIGNAL),
        ("selection.rule=last", (SPECTRUM | SIGNAL) - EXPERTS),
        ("fusion.weights={algebra: 1, code: 1}", {"fuse", "benchmark-fused", *SIGNAL}),
        ("mgpo.lambda_me=0", SIGNAL),
        ("mgpo.stages.0.steps=31", SIGNAL),
        ("mgpo.stages.1.steps=31", after_stage("maths-long")),
        ("mgpo.stages.maths-long.max_response_tokens=100", after_stage("maths-long")),
        ("mgpo.stages.2.steps=31", after_stage("code")),
        ("benchmark.k=4", MEASURED),
        ("benchmark.sampling.maths.temperature=0.6", MEASURED),
        ("promotion.sampling.maths.samples=9", {GATE}),
    ],
)  # fmt: skip
def test_a_setting_changes_what_depends_on_it(lab: dict[str, str], override: str, expected: set[str]) -> None:
    assert changed(lab, override) == expected


def test_equal_weights_written_out_are_the_default(lab: dict[str, str]) -> None:
    assert changed(lab, "fusion.weights={algebra: 2, geometry: 2, calculus: 2, statistics: 2, code: 2}") == set()


def test_defaults_written_out_change_nothing(lab: dict[str, str]) -> None:
    assert changed(lab, "mgpo.clip_low=0.2", "selection.rule=pass_at_k", "sft.weight_decay=0") == set()


@pytest.mark.parametrize("stage", sorted(set(VERSIONS) - {"suite"}))
def test_a_new_version_of_a_stage_re_runs_it(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = recipe(load_profile(LAB, [*ROUNDS, PROBING_SET]))
    lab = fingerprints(nodes)
    monkeypatch.setitem(VERSIONS, stage, VERSIONS[stage] + 1)
    other = fingerprints(nodes)
    moved = {n for n in lab if lab[n] != other[n]}
    own = {n for n, node in nodes.items() if node.stage == stage}
    assert own and own <= moved
    assert all(n in own or set(nodes[n].inputs.values()) & moved for n in moved)


@pytest.mark.parametrize("name", profile_names())
def test_every_node_comes_after_its_inputs(name: str) -> None:
    profile = runnable(name)
    seen: set[str] = set()
    for node in recipe(profile).values():
        assert set(node.inputs.values()) <= seen, node.name
        assert node.stage in VERSIONS
        seen.add(node.name)
    assert benchmark_models(profile)[final_model(profile)][0] in seen
    assert f"gate-{final_model(profile)}" in seen
    assert {f"benchmark-{m}" for m in benchmark_models(profile)} <= seen


def runnable(name: str) -> Profile:
    """The profile, or a skip where what it needs is not on this machine."""
    profile = load_profile(name)
    try:
        if profile.base.source != "scratch":
            model_digest(profile.base.source, profile.base.revision)
        for source in profile.data.sources:
            if source.path:
                source_path(source)
    except ConfigError as error:
        pytest.skip(str(error))
    return profile


def test_the_reports_literal_reading_is_one_trajectory() -> None:
    profile = load_profile(LAB, ["sft.mode=trajectory"])
    nodes = recipe(profile)
    assert [n for n in nodes if n.startswith("expert-")] == ["expert-all"]
    assert nodes["expert-all"].settings["domains"] == DOMAINS
    assert nodes["select"].inputs == {"expert-all": "expert-all"}
    assert {f"benchmark-{e}" for e in EXPERTS} <= set(nodes)  # still one expert per domain, selected from it


def test_experts_may_go_unmeasured() -> None:
    assert not {f"benchmark-{e}" for e in EXPERTS} & set(prints("benchmark.experts=false"))


def test_experts_of_a_domain_are_independent_of_the_others(lab: dict[str, str]) -> None:
    nodes = recipe(load_profile(LAB))
    assert nodes["expert-algebra"].inputs == {"start": "base", "traces": "split", "probes": "split"}
    assert nodes["expert-algebra"].together == 5


def test_files_are_known_by_content_not_by_place(tmp_path: Path) -> None:
    def at(folder: str, text: str) -> dict[str, str]:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "rows.jsonl").write_text(text)
        return prints(
            "data.sources.lab-train.generator=''",
            "data.sources.lab-train.skip=0",
            "data.sources.lab-train.domain_column=d",
            "data.sources.lab-train.trace=t",
            "data.sources.lab-train.domain_map={a: algebra, g: geometry, c: calculus, s: statistics, p: code}",
            f"data.sources.lab-train.path={tmp_path / folder / 'rows.jsonl'}",
        )

    assert at("a", "{}\n") == at("b", "{}\n")
    assert at("a", "{}\n")["ingest"] != at("a", "{ }\n")["ingest"]


def test_a_local_base_is_known_by_content_not_by_place(tmp_path: Path) -> None:
    def at(folder: str, weights: str) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        header = b'{"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}'
        content = len(header).to_bytes(8, "little") + header + weights.encode()
        (tmp_path / folder / "config.json").write_text('{"model_type": "qwen2"}')
        (tmp_path / folder / "model.safetensors").write_bytes(content)
        (tmp_path / folder / "tokenizer.json").write_text("{}")
        (tmp_path / folder / "chat_template.jinja").write_text("{{ messages }}")
        return prints(f"base.source={tmp_path / folder}")["base"]

    assert at("a", "x") == at("b", "x")
    assert at("a", "x") != at("a", "y")


def test_the_second_reports_rounds_are_the_same_stages_with_other_traces() -> None:
    profile = load_profile(LAB, ROUNDS)
    nodes = recipe(profile)
    hard = nodes["hard-expert-algebra"]
    assert hard.inputs == {"start": "expert-algebra", "traces": "hard-traces", "probes": "split"}
    assert (hard.settings["start"], hard.settings["sft"]["epochs"]) == ("final", 2.0)
    assert nodes["hard-traces"].inputs == {"reference": "fuse", "traces": "split"}
    assert nodes["mgpo-maths-short"].inputs["start"] == "hard-fuse"
    assert nodes["student-expert-all"].inputs == {"start": "hard-fuse", "traces": "student-traces", "probes": "split"}
    assert set(nodes["student-traces"].inputs) == {
        "split", "ingest", "student", "mgpo-maths-short", "mgpo-maths-long", "mgpo-code"
    }  # fmt: skip
    assert final_model(profile) == "student"
    assert nodes["gate-student"].inputs["model"] == "student-fuse"
    assert {"benchmark-hard-fused", "benchmark-student"} <= set(nodes)


def test_a_round_more_changes_nothing_of_the_one_before(lab: dict[str, str]) -> None:
    further = prints(*ROUNDS)
    first = {*EXPERTS, "select", "fuse", "benchmark-fused"}
    assert {n: further[n] for n in first} == {n: lab[n] for n in first}


@pytest.mark.parametrize(
    ("start", "place"),
    [
        ("final", ("expert-code", "final")),
        ("selected", ("select", "experts/code")),
        ("fused", ("fuse", "model")),
    ],
)
def test_where_the_second_round_starts(start: str, place: tuple[str, str]) -> None:
    nodes = recipe(load_profile(LAB, [*ROUNDS, f"sft.curriculum.start={start}"]))
    expert = nodes["hard-expert-code"]
    assert (expert.inputs["start"], expert.settings["start"]) == place


def test_one_trajectory_can_not_go_on_from_several_selected_checkpoints() -> None:
    with pytest.raises(ConfigError, match=r"sft.curriculum.start is selected"):
        load_profile(LAB, [*ROUNDS, "sft.mode=trajectory", "sft.curriculum.start=selected"])


def test_teachers_and_an_endpoints_probing_problems_come_before_the_experts() -> None:
    sampling = "{samples: 2, max_response_tokens: 64}"
    teachers = f"distillation={{teachers: [{{name: big, endpoint: {ENDPOINT}, sampling: {sampling}}}]}}"
    nodes = recipe(load_profile(LAB, [teachers, PROBING_SET]))
    assert nodes["expert-algebra"].inputs == {"start": "base", "traces": "traces", "probes": "probing-sets"}
    assert nodes["traces"].inputs == nodes["probing-sets"].inputs == {"split": "split", "ingest": "ingest"}
    assert "concurrency" not in nodes["traces"].settings["teachers"][0]["endpoint"]
    assert "http" in nodes["traces"].places["big"]


def test_a_teacher_that_is_not_there_is_named() -> None:
    teacher = "{name: small, source: /nowhere, sampling: {samples: 2, max_response_tokens: 64}}"
    with pytest.raises(ConfigError, match=r"distillation\.teachers\[small\]\.source '/nowhere' is not a folder"):
        prints(f"distillation={{teachers: [{teacher}]}}")


def test_what_an_endpoint_charges_is_no_part_of_any_identity() -> None:
    sampling = "{samples: 2, max_response_tokens: 64}"

    def at(price: str) -> dict[str, str]:
        teacher = f"{{name: big, endpoint: {ENDPOINT}, sampling: {sampling}, price: {price}}}"
        return prints(
            f"distillation={{teachers: [{teacher}]}}", f"probing_set={{endpoint: {ENDPOINT}, price: {price}}}"
        )

    assert at("{response: 2.0}") == at("{response: 3.0, prompt: 1.0}")


def test_searched_weights_need_the_probing_sets() -> None:
    fuse = recipe(load_profile(LAB, ["fusion.search={candidates: 4}"]))["fuse"]
    assert fuse.inputs == {"experts": "select", "probes": "split"}
