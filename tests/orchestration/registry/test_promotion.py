"""Registration, promotion and refusal in a real registry; what a crash leaves; several that promote at once."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from mlflow import MlflowClient

from tasks import promotion
from vibethinker.promotion.gate import Decision

HERE = Path(__file__).parent
ALL_CHECKS = [
    "promotion set",
    "sampling",
    "questions",
    "effect",
    "measured",
    "registered files",
    "weights hash",
    "generates",
]


def artifact(client: MlflowClient, run: str, path: str, folder: Path) -> bytes:
    return Path(client.download_artifacts(run, path, str(folder))).read_bytes()


def test_the_same_weights_are_one_version(registry: Any, name: str) -> None:
    first = registry.register(name, 1)
    assert registry.register(name, 1) == first == "1"
    assert registry.register(name, 2) == "2"
    version = registry.client.get_model_version(name, "1")
    sealed = registry.sealed(1)[1].files["model/model.safetensors"].sha256
    assert version.tags == {"weights_sha256": sealed, "fingerprint": "f" * 64}
    assert registry.aliases(name) == {}  # registration is not promotion


def test_first_model_then_a_better_one_then_the_same_again(registry: Any, name: str, tmp_path: Path) -> None:
    """With the real copy, loaded and generating, each time an alias moves."""
    client = registry.client
    first = registry.promote(name, 1, 2)
    assert first.decision == "promoted" and first.reason.startswith("first model: Pass@1 25.")
    assert [c.name for c in first.checks] == ["floor", *ALL_CHECKS[4:]] and all(c.passed for c in first.checks)
    assert " tokens: " in first.checks[-1].seen
    assert registry.aliases(name) == {"champion": "1"}

    run = registry.run()
    better = registry.promote(name, 2, 5, run)
    assert better.decision == "promoted" and better.compared_with == "1"
    assert [c.name for c in better.checks] == ALL_CHECKS and all(c.passed for c in better.checks)
    assert better.effect == pytest.approx(3 / 8) and better.low is not None and 0 < better.low < better.effect
    assert registry.aliases(name) == {"champion": "2", "previous_champion": "1"}
    for tags in (client.get_model_version(name, "2").tags, client.get_run(run).data.tags):
        assert (tags["decision"], tags["reason"], tags["compared_with"]) == ("promoted", better.reason, "1")
        assert [float(tags[k]) for k in ("effect", "low", "high")] == [better.effect, better.low, better.high]
    assert Decision.model_validate_json(artifact(client, run, "gate/decision.json", tmp_path)) == better

    again = registry.promote(name, 2, 5, run)
    assert (again.decision, again.reason) == ("unchanged", "version 2 is the champion already")
    assert client.get_run(run).data.tags["decision"] == "unchanged"
    assert client.get_model_version(name, "2").tags["decision"] == "promoted"
    assert registry.aliases(name) == {"champion": "2", "previous_champion": "1"}
    assert "promotion-lock" not in " ".join(m.name for m in client.search_registered_models())


def test_refusals_say_why_and_cost_no_copy(registry: Any, name: str, spared: list[Path], tmp_path: Path) -> None:
    registry.promote(name, 1, 4)
    assert len(spared) == 1
    run = registry.run()
    worse = registry.promote(name, 2, 3, run)
    other_set = registry.promote(name, 3, 7, set_digest="e" * 64)
    sampled = registry.promote(name, 4, 7, sampling={"maths": {"samples": 8, "temperature": 0.6}})
    assert [d.decision for d in (worse, other_set, sampled)] == ["refused"] * 3
    assert "does not lie above 0.0%" in worse.reason and worse.effect == pytest.approx(-1 / 8)
    assert "another promotion set (dddddddddddd, candidate on eeeeeeeeeeee)" in other_set.reason
    assert "sampled otherwise" in sampled.reason
    assert len(spared) == 1
    assert registry.aliases(name) == {"champion": "1"}
    tags = registry.client.get_model_version(name, "2").tags
    assert (tags["decision"], tags["reason"]) == ("refused", worse.reason)
    assert registry.client.get_model_version(name, "3").tags["effect"] == "-"
    assert Decision.model_validate_json(artifact(registry.client, run, "gate/decision.json", tmp_path)) == worse


def test_a_version_of_another_run_is_decided_on_both(registry: Any, name: str, spared: Any, tmp_path: Path) -> None:
    first, second = registry.run(), registry.run()
    registry.register(name, 1, first)
    decision = registry.promote(name, 1, 4, second)
    for run in (first, second):
        assert Decision.model_validate_json(artifact(registry.client, run, "gate/decision.json", tmp_path)) == decision
        assert b'"set_digest"' in artifact(registry.client, run, "gate/measurement.json", tmp_path)
    assert "decision" not in registry.client.get_run(first).data.tags
    assert registry.client.get_run(second).data.tags["decision"] == "promoted"


def test_a_first_model_below_the_floor_is_refused(registry: Any, name: str) -> None:
    decision = registry.promote(name, 1, 0)
    assert decision.decision == "refused" and "is below the floor of 10.0%" in decision.reason
    assert registry.aliases(name) == {}


@pytest.mark.parametrize(
    ("file", "content", "seen"),
    [
        ("model.safetensors", b"damaged", "model.safetensors has sha256"),
        ("config.json", b"{}", "config.json has sha256"),
        ("tokenizer.json", None, "tokenizer.json is missing"),
        ("pickle.bin", b"x", "pickle.bin was never sealed"),
    ],
)
def test_a_registered_copy_that_is_not_what_was_sealed(
    registry: Any, name: str, file: str, content: bytes | None, seen: str
) -> None:
    registry.register(name, 1)
    path = registry.copy_of("1", name, "config.json").with_name(file)
    path.unlink() if content is None else path.write_bytes(content)
    decision = registry.promote(name, 1, 4)
    assert decision.decision == "refused"
    assert decision.reason.startswith(f"registered files: {seen}")
    assert "generates" not in [c.name for c in decision.checks]
    assert registry.aliases(name) == {}


def test_a_copy_that_does_not_generate_is_refused(registry: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sealed with a configuration that no loader takes: the files are right, and useless."""
    out, _ = registry.sealed(77)
    (out / "model" / "config.json").write_text('{"model_type": "qwen2", "hidden_size": -1}')
    decision = registry.promote(name, 77, 4)
    assert decision.decision == "refused" and decision.reason.startswith("generates: ")
    assert [c.passed for c in decision.checks] == [True, True, True, True, False]
    assert registry.aliases(name) == {}


def test_a_champion_without_a_measurement_is_refused_by_name(registry: Any, name: str, spared: Any) -> None:
    registry.register(name, 1)
    registry.client.set_registered_model_alias(name, "champion", "1")  # by hand
    decision = registry.promote(name, 2, 8)
    assert decision.decision == "refused"
    assert "champion version 1 has no readable measurement" in decision.reason
    assert "delete the alias champion" in decision.reason


class Killed(BaseException):
    """What a kill looks like from inside."""


@pytest.mark.parametrize("point", ["log_text", "set_model_version_tag", "previous_champion", "champion"])
def test_killed_between_any_two_steps_the_same_call_finishes(
    registry: Any, name: str, spared: Any, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    registry.promote(name, 1, 2)
    registry.promote(name, 2, 4)
    version, run = registry.register(name, 3), registry.run()
    candidate = registry.candidate(version, 3, 7)

    class Dies(MlflowClient):
        def log_text(self, *arguments: Any, **kwargs: Any) -> None:
            self._at("log_text", super().log_text, *arguments, **kwargs)

        def set_model_version_tag(self, *arguments: Any, **kwargs: Any) -> None:
            self._at("set_model_version_tag", super().set_model_version_tag, *arguments, **kwargs)

        def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
            self._at(alias, super().set_registered_model_alias, name, alias, version)

        def _at(self, step: str, action: Any, *arguments: Any, **kwargs: Any) -> None:
            if step == point:
                raise Killed
            action(*arguments, **kwargs)

    with pytest.raises(Killed):
        promotion.promote_version(Dies(registry.uri), name, candidate, registry.rule, run)
    assert registry.aliases(name)["champion"] == "2"
    assert registry.aliases(name)["previous_champion"] == ("2" if point == "champion" else "1")
    decision = promotion.promote_version(registry.client, name, candidate, registry.rule, run)
    assert decision.decision == "promoted" and decision.compared_with == "2"
    assert registry.aliases(name) == {"champion": "3", "previous_champion": "2"}


def test_the_decision_starts_anew_when_the_champion_changed_meanwhile(
    registry: Any, name: str, monkeypatch: pytest.MonkeyPatch, spared: list[Path]
) -> None:
    """While version 3 is being tried, 2 becomes champion: 3 beats 1 but not 2."""
    registry.promote(name, 1, 2)
    other = registry.candidate(registry.register(name, 2), 2, 7)
    candidate, run = registry.candidate(registry.register(name, 3), 3, 5), registry.run()
    quick = promotion.generates_check

    def meanwhile(folder: Path) -> Any:
        monkeypatch.setattr(promotion, "generates_check", quick)
        promoted = promotion.promote_version(registry.client, name, other, registry.rule, registry.run())
        assert promoted.decision == "promoted"
        return quick(folder)

    monkeypatch.setattr(promotion, "generates_check", meanwhile)
    decision = promotion.promote_version(registry.client, name, candidate, registry.rule, run)
    assert (decision.decision, decision.compared_with) == ("refused", "2")
    assert registry.aliases(name) == {"champion": "2", "previous_champion": "1"}


def test_processes_that_promote_at_the_same_moment(registry: Any, tmp_path: Path) -> None:
    """Four versions of four processes, five times over: each promoted one beat the champion of its moment."""
    processes, rounds = 4, 5
    rows: dict[int, list[dict[str, Any]]] = {seed: [] for seed in range(1, processes + 1)}
    for i in range(rounds):
        for seed in rows:
            version, run = registry.register(f"race-{i}", seed), registry.run()
            candidate = registry.candidate(version, seed, 2 * seed - 1)
            row = {"name": f"race-{i}", "version": version, "run": run, "files": dict(candidate.files)}
            rule = registry.rule.model_dump()
            rows[seed].append({**row, "measurement": candidate.measurement.model_dump(), "rule": rule})
    (tmp_path / "barrier").mkdir()
    running = []
    for seed, plan in rows.items():
        (tmp_path / f"{seed}.json").write_bytes(orjson.dumps(plan))
        arguments = [registry.uri, tmp_path / f"{seed}.json", tmp_path / "barrier", processes]
        command = [sys.executable, str(HERE / "promote_script.py"), *map(str, arguments)]
        running.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE.parents[2])
        )
    said = [process.communicate(timeout=300) for process in running]
    assert [p.returncode for p in running] == [0] * processes, said
    decisions = [out.split() for out, _ in said]
    for i in range(rounds):
        promoted = {str(seed) for seed in rows if decisions[seed - 1][i] == "promoted"}
        aliases = registry.aliases(f"race-{i}")
        assert aliases["champion"] == "4"  # beats every other, whoever came first
        assert promoted == chain(registry, f"race-{i}", "4")
        assert aliases.get("previous_champion", "-") == compared_with(registry, f"race-{i}", "4")
    assert not [m for m in registry.client.search_registered_models() if m.name.endswith("lock")]


def compared_with(registry: Any, name: str, version: str) -> str:
    return str(registry.client.get_model_version(name, version).tags["compared_with"])


def chain(registry: Any, name: str, version: str) -> set[str]:
    """The version, the champion it beat, the champion that one beat, ... to the first model."""
    found: list[str] = []
    while version != "-":
        assert registry.client.get_model_version(name, version).tags["decision"] == "promoted"
        assert version not in found
        found.append(version)
        version = compared_with(registry, name, version)
    return set(found)
