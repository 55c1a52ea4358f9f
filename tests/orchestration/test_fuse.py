"""`vibethinker fuse` as a person meets it; what the average is, tests/unit/models/test_fuse.py says."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.models.fusion_folders import model, weights


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    values = {"a": 1.0, "b": 5.0, "other": 9.0}
    made = [model(tmp_path / n, {"w": torch.full((3 if n == "other" else 2,), v)}) for n, v in values.items()]
    return [str(folder) for folder in made]


def test_two_models_with_weights(vibethinker: Any, folders: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = vibethinker("fuse", *folders[:2], "--out", str(out), "--weight", "3", "--weight", "1", "--dtype", "bfloat16")
    assert done.returncode == 0, done.stderr
    assert f"{out}: 2 parameters, 0.00 GB, in " in done.stdout
    assert f"  0.75 x {folders[0]}\n  0.25 x {folders[1]}\n" in done.stdout
    assert weights(out)["w"].tolist() == [2.0, 2.0]
    assert weights(out)["w"].dtype == torch.bfloat16


def test_json_for_scripts(vibethinker: Any, folders: list[str], tmp_path: Path) -> None:
    done = vibethinker("fuse", *folders[:2], "--out", str(tmp_path / "out"), "--json")
    found = json.loads(done.stdout)
    assert found.pop("seconds") > 0
    assert found == {
        "out": str(tmp_path / "out"),
        "models": [{"model": folder, "weight": 0.5} for folder in folders[:2]],
        "tensors": 1,
        "parameters": 2,
        "bytes": 8,
        "files": 1,
    }


@pytest.mark.parametrize(
    ("chosen", "words"), [([0], ["ConfigError", "two models"]), ([0, 2], ["DataError", "tensor w", "[2]", "[3]"])]
)
def test_what_is_wrong_is_one_message(
    vibethinker: Any, folders: list[str], tmp_path: Path, chosen: list[int], words: list[str]
) -> None:
    done = vibethinker("fuse", *(folders[i] for i in chosen), "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not (tmp_path / "out").exists()
