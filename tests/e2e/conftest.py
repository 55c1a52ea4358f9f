"""Shared by the end-to-end tests."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kills import finish


@pytest.fixture(scope="session")
def undisturbed(vibethinker: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one complete run of the micro profile that nobody disturbed. Don't run in it: copy it."""
    workspace = tmp_path_factory.mktemp("undisturbed")
    finish(workspace, vibethinker.environment)
    return workspace
