"""The command line as a person meets it: help, plans, and errors before anything is spent."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("command", ["doctor", "fuse", "plan", "run", "runs", "report", "deploy", "up", "rollback"])
def test_every_command_has_help_with_an_example(vibethinker: Any, command: str) -> None:
    done = vibethinker(command, "--help")
    assert done.returncode == 0
    assert f"Example: vibethinker {command}" in done.stdout


def test_paper_profile_plans_within_its_limit_without_writing(vibethinker: Any, tmp_path: Path) -> None:
    done = vibethinker("plan", "paper-1.5b", "--json", "--workspace", str(tmp_path / "none"))
    plan = json.loads(done.stdout)
    assert (plan["device_type"], plan["rate"], plan["limit"]) == ("H800", 2.0, 7800.0)
    assert 0 < plan["dollars"] <= 7800
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "tinny"], ["tinny", "tiny", "paper-1.5b"]),
        (["run", "tiny", "--set", "probe.k=99"], ["probe.k", "99", "samples"]),
        (["run", "tiny", "--set", "sft.leraning_rate=1"], ["sft.leraning_rate", "unknown key"]),
        (["run", "tiny", "--set", "base.source=./nofolder"], ["base.source", "./nofolder", "hub id"]),
        (["run", "tiny", "--set", "mgpo.stages.code.steps=0"], ["mgpo.stages", "greater than or equal to 1", "0"]),
        (["plan", "no-such.yaml"], ["no-such.yaml", "can't be read"]),
        (["report", "nothing"], ["no run"]),
    ],
)
def test_bad_input_is_one_message_before_any_work(
    vibethinker: Any, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    done = vibethinker(*arguments, "--workspace", str(tmp_path / "workspace"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not (tmp_path / "workspace" / "runs").exists()
