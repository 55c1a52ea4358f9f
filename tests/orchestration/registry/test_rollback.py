"""`previous_champion` comes back, verified by hash; what is refused moves nothing."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tasks.rollback import roll_back, rollback
from vibethinker.config.load import load_profile
from vibethinker.config.profile import Profile
from vibethinker.errors import ConfigError, VibeThinkerError
from vibethinker.promotion.rollback import Rollback
from vibethinker.reports.rollback import show_rollback

pytestmark = pytest.mark.usefixtures("spared")


@pytest.fixture
def two(registry: Any, name: str) -> str:
    """Version 2 is champion, 1 was before it."""
    assert [registry.promote(name, seed, correct).decision for seed, correct in ((1, 3), (2, 6))] == ["promoted"] * 2
    return name


@pytest.fixture
def profile(name: str) -> Profile:
    return load_profile("tiny", [f"registry.model_name={name}"])


def test_the_previous_champion_is_restored(
    registry: Any, two: str, profile: Profile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    result = rollback(profile, registry.folder, "answers got longer")
    assert registry.aliases(two) == {"champion": "1"}
    assert (result.rolled_back, result.champion) == ("2", "1")
    assert result.weights_sha256 == registry.sealed(1)[1].files["model/model.safetensors"].sha256
    version = registry.client.get_model_version(two, "2")
    assert (version.tags["decision"], version.tags["reason"]) == ("rolled back", "answers got longer")
    assert version.tags["rolled_back_at"] == result.rolled_back_at
    path = registry.client.download_artifacts(version.run_id, "gate/rollback.json", str(tmp_path))
    assert Rollback.model_validate_json(Path(path).read_bytes()) == result

    capsys.readouterr()
    show_rollback(result, json=True)
    assert json.loads(capsys.readouterr().out) == result.model_dump()
    show_rollback(result, json=False)
    shown = capsys.readouterr().out
    assert f"{two}: version 1 is champion again, version 2 is rolled back" in shown
    assert "reason: answers got longer" in shown

    with pytest.raises(ConfigError, match="has no alias previous_champion: champion version 1 has nothing before it"):
        rollback(profile, registry.folder, "again")
    assert registry.aliases(two) == {"champion": "1"}


def test_a_version_that_was_rolled_back_is_not_promoted_again(registry: Any, two: str) -> None:
    roll_back(registry.client, two, "worse in use")
    run = registry.run()
    decision = registry.promote(two, 2, 7, run)
    assert decision.decision == "refused"
    assert "version 2 was rolled back at 20" in decision.reason and "(worse in use)" in decision.reason
    assert registry.aliases(two) == {"champion": "1"}
    assert registry.client.get_model_version(two, "2").tags["decision"] == "rolled back"
    assert registry.client.get_run(run).data.tags["decision"] == "refused"
    assert registry.promote(two, 3, 6).compared_with == "1"  # another one may follow
    assert registry.aliases(two) == {"champion": "3", "previous_champion": "1"}
    registry.client.delete_model_version_tag(two, "2", "rolled_back_at")  # as the reason said
    assert registry.promote(two, 2, 8).decision == "promoted"


@pytest.mark.parametrize("content", [b"damaged", None])
def test_files_that_are_not_those_registered_move_nothing(registry: Any, two: str, content: bytes | None) -> None:
    path = registry.copy_of("1", two, "model.safetensors")
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(VibeThinkerError, match=r"version 1, whose weights have sha256 .* nothing has moved"):
        roll_back(registry.client, two, "x")
    assert registry.aliases(two) == {"champion": "2", "previous_champion": "1"}
    assert registry.client.get_model_version(two, "2").tags["decision"] == "promoted"


def test_killed_between_the_aliases_the_same_command_finishes(registry: Any, two: str) -> None:
    class Killed(BaseException):
        pass

    class Dies(MlflowClient):
        def delete_registered_model_alias(self, name: str, alias: str) -> None:
            raise Killed

    with pytest.raises(Killed):
        roll_back(Dies(registry.uri), two, "first try")
    assert registry.aliases(two) == {"champion": "1", "previous_champion": "1"}
    result = roll_back(registry.client, two, "second try")
    assert (result.rolled_back, result.champion, result.reason) == ("2", "1", "first try")
    assert registry.aliases(two) == {"champion": "1"}


def test_after_an_interrupted_promotion_there_is_nothing_to_roll_back(registry: Any, two: str) -> None:
    registry.client.set_registered_model_alias(two, "previous_champion", "2")
    with pytest.raises(ConfigError, match="is the champion itself, version 2: a promotion was interrupted"):
        roll_back(registry.client, two, "x")
    assert registry.aliases(two)["champion"] == "2"


def test_what_there_must_be(registry: Any, name: str, profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ConfigError, match=rf"registry.model_name '{name}' is not registered at sqlite"):
        rollback(profile, registry.folder, "x")
    registry.register(name, 1)
    with pytest.raises(ConfigError, match="has no alias champion"):
        rollback(profile, registry.folder, "x")
    registry.promote(name, 1, 4)
    with pytest.raises(ConfigError, match="has no alias previous_champion"):
        rollback(profile, registry.folder, "x")


def test_a_lock_is_no_model(registry: Any, two: str) -> None:
    registry.client.create_registered_model(f"{two}.promotion-lock", tags={"owner": "somebody"})
    with pytest.raises(ConfigError, match="has no alias champion"):
        roll_back(registry.client, f"{two}.promotion-lock", "x")
    registry.client.delete_registered_model(f"{two}.promotion-lock")


def test_a_workspace_without_a_registry_gets_none(tmp_path: Path, profile: Profile, monkeypatch: Any) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for workspace in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match=r"--workspace '.*' has no registry .*set MLFLOW_TRACKING_URI"):
            rollback(profile, workspace, "x")
    assert list(tmp_path.iterdir()) == []


def test_mlflow_away_is_one_line_with_its_address(tmp_path: Path, profile: Profile, monkeypatch: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(VibeThinkerError, match=rf"MLflow at {uri} did not answer .*vibethinker up") as error:
        rollback(profile, tmp_path, "x")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
