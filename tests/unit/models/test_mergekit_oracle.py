"""Our fusion is mergekit's linear merge, bit for bit. mergekit runs in a process of its own.

It is not in our environment: `make peers` puts it in a folder beside it (infra/constraints-peers.txt).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.models.fusion_folders import weights
from vibethinker.config.model import ScratchSettings
from vibethinker.models.fuse import fuse_checkpoints
from vibethinker.models.tiny import tiny_model, tiny_tokenizer

PEERS = Path(sys.prefix) / "peers"
CASES: dict[str, list[float]] = {
    "ones": [1, 1, 1, 1],
    "uniform": [0.25] * 4,
    "thirds": [1 / 3] * 3,
    "given": [0.3, 0.5, 0.1],
    "sevenths": [1 / 7] * 7,
    "wide": [1e-3, 7, 0, 123.4, 0.9],
    "many": [0.1 * i + 0.01 for i in range(17)],
}
DTYPES = (torch.bfloat16, torch.float32, torch.float16)


@pytest.fixture(scope="module")
def experts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Random weights over many orders of magnitude, tied; every second one in shards, with dtypes in turn."""
    folder, built = tmp_path_factory.mktemp("experts"), tiny_tokenizer()
    scratch = ScratchSettings(hidden_size=64, layers=2, heads=2, intermediate_size=72, max_length=64)
    model = tiny_model(scratch, built, 0)
    for i in range(max(map(len, CASES.values()))):
        generator = torch.Generator().manual_seed(i)
        for p in model.parameters():
            spread = torch.randn(p.shape, generator=generator).mul(4).exp()
            p.data = (torch.randn(p.shape, generator=generator) * spread).clamp(-6e4, 6e4)
        model.to(DTYPES[i % 3]).save_pretrained(folder / str(i), max_shard_size="60KB" if i % 2 else "1GB")
        built.save_pretrained(folder / str(i))
        model.float()
    return [folder / str(i) for i in range(max(map(len, CASES.values())))]


@pytest.fixture(scope="module")
def mergekit(experts: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mergekit's answers to all cases, in one process: its imports take most of the time."""
    if not (PEERS / "mergekit").exists():
        pytest.skip("mergekit is not installed: `make peers` does it")
    folder = tmp_path_factory.mktemp("mergekit")
    asked: list[dict[str, Any]] = [
        {"folders": [str(f) for f in experts[: len(w)]], "weights": w, "target": str(folder / name)}
        for name, w in CASES.items()
    ]
    (folder / "questions.json").write_text(json.dumps(asked))
    script = Path(__file__).with_name("mergekit_peer.py")
    environment = os.environ | {"PYTHONPATH": str(PEERS), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(script), str(folder / "questions.json")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("case", CASES)
def test_bits_are_mergekits(case: str, experts: list[Path], mergekit: Path, tmp_path: Path) -> None:
    folders = experts[: len(CASES[case])]
    fuse_checkpoints(folders, CASES[case], tmp_path / "out", torch.bfloat16, max_shard=100_000)
    ours, theirs = weights(tmp_path / "out"), weights(mergekit / case)
    assert ours.keys() == theirs.keys() and len(ours) > 20
    assert len(list((tmp_path / "out").glob("*.safetensors"))) > 1
    for name, tensor in theirs.items():
        assert tensor.dtype == ours[name].dtype == torch.bfloat16
        assert torch.equal(ours[name].view(torch.int16), tensor.view(torch.int16)), name
