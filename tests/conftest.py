"""What tests of several rooms share: a command line of their own, away from the user's Prefect, MLflow and workspace."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MICRO = ROOT / "tests" / "micro.yaml"
FOREIGN = ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "VIBETHINKER_WORKSPACE")


class CommandLine:
    """Runs `vibethinker` in a process of its own."""

    def __init__(self, home: Path) -> None:
        kept = {k: v for k, v in os.environ.items() if k not in FOREIGN}
        self.environment = {**kept, "PREFECT_HOME": str(home), "COLUMNS": "120"}

    def __call__(
        self, *arguments: str, environment: Mapping[str, str] | None = None, timeout: float = 800
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flows.cli", *arguments],
            cwd=ROOT,
            env={**self.environment, **(environment or {})},
            text=True,
            capture_output=True,
            timeout=timeout,
        )


@pytest.fixture(scope="session")
def vibethinker(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("prefect"))
