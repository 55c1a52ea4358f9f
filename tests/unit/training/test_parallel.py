"""Two processes that torchrun started train as one does: same weights, one record, one end."""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import ROOT
from tests.unit.training.loop_lab import Lab
from vibethinker.training.parallel import (
    World,
    any_of,
    barrier,
    buckets,
    check_alike,
    from_first,
    gather,
    sum_figures,
    sum_gradients,
    world,
)
from vibethinker.training.refused import read_refused

Found = list[dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have been through everything in parallel_script.py: one start, many tests."""
    folder = tmp_path_factory.mktemp("two")
    torchrun = "-m torch.distributed.run --nnodes 1 --nproc-per-node 2 --rdzv-backend c10d --rdzv-endpoint 127.0.0.1:0"
    subprocess.run(
        [
            sys.executable,
            *torchrun.split(),
            "--local-addr",
            "127.0.0.1",
            "-m",
            "tests.unit.training.parallel_script",
            folder,
        ],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"},
        check=True,
        timeout=300,
    )
    return folder


@pytest.fixture(scope="module")
def two(folder: Path) -> Found:
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=False) for rank in (0, 1)]


def identical(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(t, b[n]) for n, t in a.items())


def test_two_processes_train_as_one_does(two: Found, tmp_path: Path) -> None:
    """To float tolerance: the sum over micro-batches is the same sum in another order."""
    weights, history = Lab().train(tmp_path)
    assert not identical(weights, dict(Lab().model().named_parameters()))
    for found in two:
        for name, weight in weights.items():
            torch.testing.assert_close(found["whole"]["weights"][name], weight.detach(), rtol=1e-4, atol=1e-5)
    assert [h["step"] for h in two[0]["whole"]["history"]] == [2, 4, 6]
    for ours, theirs in zip(two[0]["whole"]["history"], history, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)


def test_the_work_is_shared_and_uneven() -> None:
    """The lab's steps have two or more micro-batches, so that both processes work, and some an odd number."""
    lab = Lab()
    counts = [len(lab.objective(lab.model()).batches(step)) for step in range(6)]
    assert min(counts) >= 2
    assert any(n % 2 for n in counts)


def test_both_have_the_same_bits(two: Found) -> None:
    for part in ("whole", "stopped", "continued"):
        assert identical(two[0][part]["weights"], two[1][part]["weights"])


def test_only_the_first_is_asked_at_checkpoints_and_returns(two: Found) -> None:
    assert [found["whole"]["told"] for found in two] == [[2, 4, 6], []]
    assert "ended" not in two[0]["whole"]
    assert two[1]["whole"]["ended"] == "Helped"


def test_told_to_stop_in_one_both_checkpoint_at_the_same_step_and_continue_exactly(two: Found) -> None:
    assert {found["stopped"]["ended"] for found in two} == {
        "Preempted: sft: stopped at step 3 of 6, checkpoint written"
    }
    assert identical(two[0]["continued"]["weights"], two[0]["whole"]["weights"])
    assert two[0]["continued"]["history"] == two[0]["whole"]["history"]


def test_a_step_that_is_not_finite_in_one_is_refused_in_both(two: Found, folder: Path) -> None:
    (ended,) = {found["refused"]["ended"] for found in two}
    assert "NonFinite: step 3: loss inf, gradient norm nan; at fault is micro-batch 0 of" in ended
    assert "(loss inf, gradient norm" in ended
    assert sorted(p.name for p in (folder / "refused").glob("*-*")) == ["checkpoint-2", "refused-step-3"]
    lab = Lab()
    longest = lab.objective(lab.model()).batches(3)[0].input_ids  # two processes make more and smaller micro-batches
    kept = read_refused(folder / "refused/refused-step-3").input_ids
    assert kept.tolist() == longest[: len(kept)].tolist()
    for found in two:
        assert all(w.isfinite().all() for w in found["refused"]["weights"].values())


def test_weights_that_differ_are_seen(two: Found) -> None:
    assert {found["other weights"] for found in two} == {"step 7: the processes' weights differ"}


def test_messages(two: Found) -> None:
    for rank, found in enumerate(two):
        said = found["messages"]
        assert said["gather"] == [("rank", 0), ("rank", 1)]
        assert said["first"] == {"from": 0}
        assert said["made"] == (["here"] if rank == 0 else [])
        assert said["figures"] == {"both": 0.1 + 0.2, "only 0": 1.0, "only 1": 1.0}
        assert said["any"] == [False, True, True]


def test_gradients_are_summed_and_a_missing_one_counts_as_zero(two: Found) -> None:
    for found in two:
        both, one, none, double, large, frozen = found["gradients"]
        assert both.tolist() == [11.0] * 3
        assert one.tolist() == [[10.0] * 2] * 2
        assert none is None
        assert double.tolist() == [11.0] * 3
        assert double.dtype == torch.float64
        assert large.tolist() == [11.0] * 3
        assert frozen is None


def test_one_process_waits_for_nobody() -> None:
    assert world() == World(0, 1)
    assert world().first
    barrier()
    assert gather("a") == ["a"]
    assert from_first(lambda: 3) == 3
    assert any_of(True)
    assert not any_of(False)
    assert sum_figures({"a": 0.5}) == {"a": 0.5}
    parameter = torch.nn.Parameter(torch.zeros(2))
    sum_gradients([parameter])
    assert parameter.grad is None
    check_alike(torch.nn.Linear(2, 2), 0)


def test_buckets_keep_order_type_and_size() -> None:
    a, b, c, d = (torch.zeros(n) for n in (2, 3, 4, 1))
    e = torch.zeros(1, dtype=torch.float64)
    shapes = [[len(t) for t in bucket] for bucket in buckets([a, b, c, d, e], 20)]
    assert shapes == [[2, 3], [4, 1], [1]]
    assert [[len(t) for t in bucket] for bucket in buckets([c, a, d], 8)] == [[4], [2], [1]]
    assert buckets([], 8) == []
    assert math.prod(len(bucket) for bucket in buckets([a] * 7, 1 << 20)) == 7
