"""Versions that manifests and preflight name."""

from importlib.metadata import version

import pytest

from vibethinker.runs import packages
from vibethinker.runs.packages import installed
from vibethinker.runs.work import RECORDED


def test_every_recorded_package_that_is_here_has_a_version() -> None:
    assert {name for name in RECORDED if name != "vllm"} == {n for n in RECORDED if n != "vllm" and installed(n)}
    assert installed("torch") == version("torch")
    assert installed("no-such-package") is None


def test_a_package_may_be_distributed_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packages.DISTRIBUTIONS, "rebuilt", ("no-such-package", "torch"))
    assert installed("rebuilt") == version("torch")
