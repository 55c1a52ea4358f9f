"""A warm tiny model in a workspace, made once for all tests of stages that only read it."""

import pytest

from tests.unit.stages.expert_bench import Bench


@pytest.fixture(scope="session")
def expert_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("expert"))
