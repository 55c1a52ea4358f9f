"""Fusion of checkpoints on disk [A 3.3]: values, layouts, dtypes, and what happens when it is cut short."""

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.unit.models.fusion_folders import INDEX, model, weights
from vibethinker.errors import ConfigError, DataError
from vibethinker.models import fuse
from vibethinker.models.fuse import fuse_checkpoints
from vibethinker.models.shards import Place

ROOT = Path(__file__).parents[3]


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if "out" in path.name]


def test_average_by_hand(tmp_path: Path) -> None:
    a = model(tmp_path / "a", {"w": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([0.0])})
    b = model(tmp_path / "b", {"w": torch.tensor([[5.0, -2.0]]), "b": torch.tensor([8.0])})
    told: list[tuple[int, int]] = []
    done = fuse_checkpoints([a, b], [0.25, 0.75], tmp_path / "out", progress=lambda *now: told.append(now))
    assert {n: t.tolist() for n, t in weights(tmp_path / "out").items()} == {"w": [[4.0, -1.0]], "b": [6.0]}
    assert (done.tensors, done.parameters, done.bytes, done.files) == (2, 3, 12, 1)
    assert told[-1] == (12, 12)
    assert left_over(tmp_path) == ["out"]


SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)


@given(
    shapes=st.lists(SHAPES, min_size=1, max_size=6),
    layouts=st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["bfloat16", "float16", "float32", "float64"])), min_size=1, max_size=4),
    largest=st.sampled_from([1, 40, 10_000]),
    block=st.integers(1, 40),
    out=st.sampled_from([None, torch.bfloat16, torch.float32]),
    seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_any_shards_dtypes_and_blocks_give_the_average(
    shapes: list[tuple[int, ...]],
    layouts: list[tuple[int, str]],
    largest: int,
    block: int,
    out: torch.dtype | None,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, generator = tmp_path_factory.mktemp("any"), torch.Generator().manual_seed(seed)
    experts = [
        {f"t{i}": torch.randn(s, generator=generator).to(getattr(torch, d)) for i, s in enumerate(shapes)}
        for _, d in layouts
    ]
    given_weights = torch.rand(len(layouts), generator=generator).add(0.1).tolist()
    folders = [model(folder / str(i), e, shards=n) for i, (e, (n, _)) in enumerate(zip(experts, layouts, strict=True))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fuse, "BLOCK", block)
        patch.setattr(fuse, "BLOCKS", 2)
        fuse_checkpoints(folders, given_weights, folder / "out", out, max_shard=largest)
    found = weights(folder / "out")
    assert found.keys() == experts[0].keys()
    for name, tensor in found.items():
        assert tensor.dtype == (out or experts[0][name].dtype)
        exact = sum(w * e[name].double() for w, e in zip(given_weights, experts, strict=True)) / sum(given_weights)
        assert isinstance(exact, Tensor)
        coarse = tensor.dtype in (torch.bfloat16, torch.float16)
        torch.testing.assert_close(
            tensor.double(), exact, rtol=2**-8 if coarse else 1e-5, atol=1e-3 if coarse else 1e-6
        )


def test_shards_are_listed_as_transformers_lists_them(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(4), "b": torch.ones(6), "c": torch.zeros(1), "d": torch.zeros(20)}
    fuse_checkpoints([model(tmp_path / "m", tensors)], [1.0], tmp_path / "out", max_shard=40)
    index = json.loads((tmp_path / "out" / INDEX).read_text())
    assert index["metadata"] == {"total_parameters": 31, "total_size": 124}
    numbers = {"a": 1, "b": 1, "c": 2, "d": 3}
    assert index["weight_map"] == {name: f"model-0000{n}-of-00003.safetensors" for name, n in numbers.items()}
    assert not (tmp_path / "out" / "model.safetensors").exists()
    assert weights(tmp_path / "out").keys() == tensors.keys()


def test_the_rest_comes_from_the_first_with_the_new_dtype(tmp_path: Path) -> None:
    a, b = (model(tmp_path / n, {"w": torch.tensor([v])}) for n, v in (("a", 1.0), ("b", 2.0)))
    for name in ("tokenizer_config.json", "generation_config.json", "chat_template.jinja", "README.md", "optimizer.pt"):
        (a / name).write_text("{}")
        (b / name).write_text("other")
    fuse_checkpoints([a, b], [1, 1], tmp_path / "out", torch.bfloat16)
    found = {path.name: path.read_text() for path in (tmp_path / "out").iterdir() if path.suffix != ".safetensors"}
    assert json.loads(found.pop("config.json"))["dtype"] == "bfloat16"
    assert found == dict.fromkeys(("tokenizer_config.json", "generation_config.json", "chat_template.jinja"), "{}")
    assert weights(tmp_path / "out")["w"].tolist() == [1.5]


def test_an_expert_of_weight_one_comes_back(tmp_path: Path) -> None:
    a, b = (model(tmp_path / n, {"w": torch.tensor([v])}) for n, v in (("a", 0.1), ("b", 9.0)))
    fuse_checkpoints([a, b], [1.0, 0.0], tmp_path / "out")
    assert torch.equal(weights(tmp_path / "out")["w"], torch.tensor([0.1]))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("weight", [0.5, 0.0])
def test_a_value_that_is_not_finite_is_named_and_nothing_stays(tmp_path: Path, value: float, weight: float) -> None:
    good = model(tmp_path / "good", {"a": torch.zeros(9), "layers.0.w": torch.ones(99)})
    bad = model(tmp_path / "bad", {"a": torch.zeros(9), "layers.0.w": torch.tensor([1.0] * 98 + [value])})
    with pytest.raises(DataError, match=r"layers\.0\.w in .*bad has a value that is not finite"):
        fuse_checkpoints([good, bad], [1.0, weight], tmp_path / "out")
    assert not left_over(tmp_path)


def test_an_average_that_the_dtype_cannot_hold_is_refused(tmp_path: Path) -> None:
    a = model(tmp_path / "a", {"w": torch.tensor([1e5])})
    with pytest.raises(DataError, match="tensor w is beyond what its dtype holds"):
        fuse_checkpoints([a], [1.0], tmp_path / "out", torch.float16)


def test_large_finite_values_are_no_reason_to_refuse(tmp_path: Path) -> None:
    a = model(tmp_path / "a", {"w": torch.full((9,), 6e4, dtype=torch.float16)})
    fuse_checkpoints([a, a], [1.0, 1.0], tmp_path / "out")
    assert torch.equal(weights(tmp_path / "out")["w"], torch.full((9,), 6e4, dtype=torch.float16))


@pytest.mark.parametrize(
    "given_weights, words",
    [
        ([1.0], "1 weights for 2"),
        ([1.0, -0.1], "-0.1"),
        ([0.0, 0.0], "positive sum"),
        ([1.0, float("nan")], "nan"),
        ([float("inf"), 1.0], "inf"),
        ([1e300, 1.0], "1e\\+300"),
    ],
)
def test_weights_that_cannot_be_used(tmp_path: Path, given_weights: list[float], words: str) -> None:
    a = model(tmp_path / "a", {"w": torch.ones(1)})
    with pytest.raises(ConfigError, match=words):
        fuse_checkpoints([a, a], given_weights, tmp_path / "out")


def test_an_existing_target_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    a = model(tmp_path / "a", {"w": torch.ones(1)})
    with pytest.raises(ConfigError, match="exists"):
        fuse_checkpoints([a, a], [1, 1], a)
    assert weights(a)["w"].tolist() == [1.0]


def test_the_folder_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (model(tmp_path / n, {"w": torch.tensor([v])}) for n, v in (("a", 1.0), ("b", 2.0)))
    monkeypatch.chdir(a)
    fuse_checkpoints([Path(), b], [1, 1], Path("out"))
    assert weights(a / "out")["w"].tolist() == [1.5]


def test_a_file_is_opened_once_however_many_tensors_it_has(tmp_path: Path) -> None:
    a = model(tmp_path / "a", {f"w{i}": torch.ones(1) for i in range(300)})
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, limits[0]), limits[1]))
    try:
        assert fuse_checkpoints([a, a], [1, 1], tmp_path / "out").tensors == 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_target_that_can_not_be_made(tmp_path: Path) -> None:
    a = model(tmp_path / "a", {"w": torch.ones(1)})
    with pytest.raises(ConfigError, match="can't be made"):
        fuse_checkpoints([a], [1], a / "config.json" / "out")


def test_two_at_once_for_one_target(tmp_path: Path) -> None:
    a = model(tmp_path / "a", {"w": torch.ones(1)})
    (tmp_path / ".out.partial").mkdir()
    descriptor = os.open(tmp_path / ".out.partial", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(ConfigError, match="another process"):
        fuse_checkpoints([a], [1], tmp_path / "out")
    assert (tmp_path / ".out.partial").exists()
    os.close(descriptor)
    fuse_checkpoints([a], [1], tmp_path / "out")


def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = model(tmp_path / "a", {"w": torch.ones(100)})
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=399))
    with pytest.raises(ConfigError, match="needs 400 bytes, 399 are free"):
        fuse_checkpoints([a], [1], tmp_path / "out")
    assert not left_over(tmp_path)


KILLED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
from pathlib import Path
from vibethinker.models.fuse import fuse_checkpoints
folder = Path(sys.argv[1])
def progress(done, total):
    if done > total / 2:
        os.kill(os.getpid(), int(sys.argv[2]))
fuse_checkpoints([folder / "a", folder / "a"], [1, 2], folder / "out", progress=progress)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_kill_leaves_nothing_that_looks_whole_and_the_next_attempt_works(tmp_path: Path, number: int) -> None:
    tensors = {f"w{i}": torch.full((100,), float(i)) for i in range(20)}
    model(tmp_path / "a", tensors)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(int(number))], cwd=ROOT, capture_output=True
    )
    assert done.returncode == -number, done.stderr.decode()
    left = [path.name for path in tmp_path.iterdir() if path.name != "a"]
    assert left == ([".out.partial"] if number == signal.SIGKILL else [])
    for name in left:
        (tmp_path / name / "stale.safetensors").write_bytes(b"of the attempt before")
    fuse_checkpoints([tmp_path / "a"] * 2, [1, 2], tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"config.json", "model.safetensors"}
    assert all(torch.equal(weights(tmp_path / "out")[name], tensor) for name, tensor in tensors.items())


def test_threads_of_the_caller_stay_as_they_are(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fuse_checkpoints([model(tmp_path / "a", {"w": torch.ones(1)})], [1], tmp_path / "out")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_file_that_shrinks_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, read = model(tmp_path / "a", {"w": torch.ones(100)}), fuse._run

    def shortened(*arguments: Any) -> None:
        os.truncate(tmp_path / "a" / "model.safetensors", 200)
        read(*arguments)

    monkeypatch.setattr(fuse, "_run", shortened)
    with pytest.raises(DataError, match="ended while it was read"):
        fuse_checkpoints([a], [1], tmp_path / "out")


def test_places_count_bytes() -> None:
    place = Place(Path("x"), 8, torch.bfloat16, (3, 5))
    assert (place.numel, place.bytes) == (15, 30)
