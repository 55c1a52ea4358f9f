"""Cores of one run are shared out in turn; a GPU of the machine is one stage's alone, until nothing is left of it."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.config.model import ComputeSettings
from vibethinker.errors import ConfigError, Preempted
from vibethinker.runs import device
from vibethinker.runs.device import billed_devices, check_device, chosen_device, stage_gpus
from vibethinker.runs.gpus import Gpu, machine_gpus, restricted_to, visible_gpus
from vibethinker.runs.slots import CoreSlots, GpuSlots, Held, locks_folder

GPUS = tuple(Gpu(str(n), f"GPU-{n}{n}{n}") for n in range(3))
TAKER = """
import os, random, sys, time
from pathlib import Path
from vibethinker.runs.gpus import Gpu
from vibethinker.runs.slots import GpuSlots
folder, wanted, turns = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
gpus = tuple(Gpu(str(n), f"GPU-{n}{n}{n}") for n in range(3))
for turn in range(turns):
    with GpuSlots(wanted, gpus, folder, "taker").taken(lambda: False) as held:
        for gpu in held.gpus:
            os.close(os.open(folder / f"used-{gpu.entry}", os.O_CREAT | os.O_EXCL))
        print(*(gpu.entry for gpu in held.gpus), flush=True)
        time.sleep(random.uniform(0, 0.02) if turns > 1 else 60)
        for gpu in held.gpus:
            os.unlink(folder / f"used-{gpu.entry}")
"""
LAUNCHER = """
import sys
from pathlib import Path
from vibethinker.budget.ledger import Ledger
from vibethinker.runs.gpus import Gpu
from vibethinker.runs.launch import run_stage
from vibethinker.runs.lease import LeaseTerms
from vibethinker.runs.slots import GpuSlots
from vibethinker.runs.spec import StageSpec
spec, ledger, folder, stage = (Path(a) for a in sys.argv[1:])
gpus = tuple(Gpu(str(n), f"GPU-{n}{n}{n}") for n in range(3))
terms = LeaseTerms(account="tiny", run="r1", limit=1e4, seconds=30.0, grace=1.0)
run_stage(StageSpec.read(spec), [sys.executable, str(stage)], Ledger(ledger), lambda events: None, terms, lambda: False,
          gpus=GpuSlots(2, gpus, folder, "node of a killed run"))
"""


def slots(folder: Path, wanted: int, label: str = "stage", said: list[str] | None = None) -> GpuSlots:
    return GpuSlots(wanted, GPUS, folder, label, (said if said is not None else []).append)


def driver(folder: Path, *uuids: str) -> Path:
    """As /proc shows them."""
    for number, uuid in enumerate(uuids):
        place = folder / f"0000:{number:02x}:00.0"
        place.mkdir(parents=True)
        (place / "information").write_text(
            f"Model: \t\t NVIDIA H200\nIRQ:   \t\t 7\nGPU UUID: \t {uuid}\nDevice Minor: \t 0\n"
        )
    return folder


PLACES = [f"0000_{number:02x}_00.0" for number in range(3)]


def test_gpus_are_known_by_their_place_whatever_the_driver_tells(tmp_path: Path) -> None:
    """Before a GPU is first used its UUID is question marks: its lock must not be another one afterwards."""
    there = machine_gpus(driver(tmp_path / "gpus", "GPU-aaa1", "GPU-????????-????-????-????-????????????"))
    assert there == (Gpu("0", PLACES[0], "GPU-aaa1"), Gpu("1", PLACES[1]))
    (tmp_path / "gpus/0000:00:00.0/information").unlink()
    assert machine_gpus(tmp_path / "gpus")[0] == Gpu("0", PLACES[0])
    assert machine_gpus(tmp_path / "none") == ()


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (None, [("0", PLACES[0]), ("1", PLACES[1]), ("2", PLACES[2])]),
        ("2,0", [("2", PLACES[2]), ("0", PLACES[0])]),
        ("", []),
        ("-1", []),
        ("1,-1,0", [("1", PLACES[1])]),
        ("1,7,0", [("1", PLACES[1])]),
        ("GPU-bb, 0", [("GPU-bb", PLACES[1]), ("0", PLACES[0])]),
        ("GPU-b", []),
        ("0,GPU-aaa1,1", [("0", PLACES[0])]),
        ("MIG-GPU-aaa1/1/0", [("MIG-GPU-aaa1/1/0", "MIG-GPU-aaa1_1_0")]),
    ],
)
def test_only_what_cuda_would_see_is_taken(tmp_path: Path, listed: str | None, expected: list[tuple[str, str]]) -> None:
    folder = driver(tmp_path, "GPU-aaa1", "GPU-bbb2", "GPU-bcc3")
    found = visible_gpus(folder, {} if listed is None else {"CUDA_VISIBLE_DEVICES": listed})
    assert [(gpu.entry, gpu.identity) for gpu in found] == expected


def test_a_stage_is_told_just_its_gpus_and_how_they_are_counted() -> None:
    assert restricted_to((), {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}) == {}
    assert Held().variables({}) == {}
    told = Held((GPUS[2], GPUS[0])).variables({})
    assert told == {"CUDA_VISIBLE_DEVICES": "2,0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert restricted_to(GPUS[:1], {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"})["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"


def test_gpus_are_taken_once_and_given_back(tmp_path: Path) -> None:
    with slots(tmp_path, 2).taken(lambda: False) as first:
        assert [gpu.entry for gpu in first.gpus] == ["0", "1"]
        with slots(tmp_path, 1).taken(lambda: False) as second:
            assert second.gpus == GPUS[2:]
    with slots(tmp_path, 3).taken(lambda: False) as all_of_them:
        assert all_of_them.gpus == GPUS


def test_who_waits_says_for_whom_and_holds_nothing_meanwhile(tmp_path: Path) -> None:
    said: list[str] = []
    with (
        slots(tmp_path, 1, "expert-algebra of run 7").taken(lambda: False),
        slots(tmp_path, 1, "expert-code").taken(lambda: False),
    ):
        with (
            pytest.raises(Preempted, match="mgpo was stopped while it waited"),
            slots(tmp_path, 2, "mgpo", said).taken(lambda: bool(said)),
        ):
            pass
        with slots(tmp_path, 1).taken(lambda: False) as third:
            assert third.gpus == GPUS[2:]
    (text,) = said
    held = "GPU 0 is held by expert-algebra of run 7, GPU 1 is held by expert-code"
    assert text == f"waits for 2 of 3 GPUs: {held}"


def test_one_tries_at_a_time(tmp_path: Path) -> None:
    """Or two would find each other's tries held, and both wait though all is free."""
    taken = threading.Event()

    def take() -> None:
        with slots(tmp_path, 1).taken(lambda: False):
            taken.set()

    with (tmp_path / "trying").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        worker = threading.Thread(target=take)
        worker.start()
        assert not taken.wait(0.1)
    worker.join(10)
    assert taken.is_set()


def test_a_stage_that_wants_more_than_can_be_seen_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="stage needs 4 GPUs, and 3 can be seen; lower"),
        slots(tmp_path, 4).taken(lambda: False),
    ):
        pass


def test_a_cpu_stage_takes_nothing(tmp_path: Path) -> None:
    with GpuSlots().taken(lambda: True) as held:
        assert held == Held()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_locks_is_this_users_own(tmp_path: Path) -> None:
    folder = locks_folder(tmp_path)
    assert folder == locks_folder(tmp_path) == tmp_path / f"vibethinker-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="not a folder of this user's"):
        locks_folder(tmp_path)


def taker(folder: Path, wanted: int, turns: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", TAKER, str(folder), str(wanted), str(turns)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_never_share_a_gpu(tmp_path: Path) -> None:
    """Each makes a file that must not be there yet for each GPU that it holds."""
    running = [taker(tmp_path, wanted, turns=4) for wanted in (1, 2, 1)]
    lines = [process.communicate(timeout=60)[0].splitlines() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert [len(found) for found in lines] == [4, 4, 4]
    assert all(len(set(line.split())) == 2 for line in lines[1])


def test_kill_9_frees_a_gpu(tmp_path: Path) -> None:
    process = taker(tmp_path, 3, turns=1)
    assert process.stdout and process.stdout.readline() == "0 1 2\n"
    said: list[str] = []

    def killed() -> bool:
        if said:
            process.kill()
        return False

    with slots(tmp_path, 1, said=said).taken(killed) as held:
        assert held.gpus == GPUS[:1]
    assert said[0].startswith("waits for 1 of 3 GPUs: GPU 0 is held by taker")
    process.wait()


@pytest.fixture
def launched(bench, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:  # type: ignore[no-untyped-def]
    spec = bench.spec(seconds=60.0, spawn=True)
    spec.write(tmp_path / "spec.json")
    stage = Path(__file__).with_name("stage_script.py")
    arguments = [tmp_path / "spec.json", bench.ledger.path, tmp_path / "locks", stage]
    (tmp_path / "locks").mkdir()
    process = subprocess.Popen([sys.executable, "-c", LAUNCHER, *map(str, arguments)])
    yield process
    process.kill()
    process.wait()


def test_a_stages_gpus_are_its_own_until_nothing_is_left_of_it(bench, launched, wait_for, alive, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The launcher is killed: its supervisor holds the GPUs on while the stage leaves, and no longer."""
    pids = bench.pids(bench.spec(seconds=60.0, spawn=True))
    variables = Path(f"/proc/{pids[0]}/environ").read_bytes().split(b"\0")
    assert b"CUDA_VISIBLE_DEVICES=0,1" in variables and b"CUDA_DEVICE_ORDER=PCI_BUS_ID" in variables
    os.kill(launched.pid, signal.SIGKILL)
    launched.wait()
    left: list[list[int]] = []

    def look() -> bool:
        left.append([pid for pid in pids[:3] if alive(pid)])
        return False

    with slots(tmp_path / "locks", 3).taken(look) as held:
        assert held.gpus == GPUS
        assert not any(alive(pid) for pid in pids[:3])
    assert left and left[0]  # it did wait for them


@pytest.fixture
def four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with four GPUs, and a torch for them."""
    (tmp_path / "version").write_text("driver")
    monkeypatch.setattr(device, "GPU_DRIVER", tmp_path / "version")
    monkeypatch.setattr(device, "GPUS", driver(tmp_path / "gpus", *(f"GPU-{n}" for n in range(4))))
    monkeypatch.setattr(device, "installed", lambda name: "2.13.0+cu130")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("settings", "visible", "status", "text", "mend"),
    [
        ({}, None, "ok", "cuda, 1 of 4 GPUs a stage", ""),
        ({"devices_per_stage": 4, "processes": 4}, None, "ok", "cuda, 4 of 4 GPUs a stage", ""),
        ({"processes": 2}, "1,3", "ok", "cuda, 2 of 2 GPUs a stage", ""),
        ({"devices_per_stage": 5}, None, "problem", "devices_per_stage = 5, but this machine has 4 GPUs", "=4"),
        ({"devices_per_stage": 3}, "0,1", "problem", "= 3, but 2 GPUs can be seen (CUDA_VISIBLE_DEVICES)", "=2"),
        ({"processes": 3}, "0,1", "problem", "processes = 3, but 2 GPUs can be seen", "processes=2"),
        ({"processes": 4, "devices_per_stage": 2}, None, "problem", "holds compute.devices_per_stage = 2", "=4"),
        ({"device": "cuda"}, "", "problem", "compute.device = cuda, but 0 GPUs can be seen", "compute.device=cpu"),
    ],
)
def test_more_than_the_machine_has_is_refused_before_a_run(
    four: None,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, object],
    visible: str | None,
    status: str,
    text: str,
    mend: str,
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = check_device(ComputeSettings.model_validate(settings))
    assert (found.status, text in found.text, mend in found.mend) == (status, True, True), found


def test_a_stage_is_billed_for_the_gpus_that_it_holds(four: None, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, two = ComputeSettings(threads=8), ComputeSettings(threads=8, devices_per_stage=2)
    assert [(stage_gpus(c), billed_devices(c, 1)) for c in (plain, two)] == [(1, 1), (2, 2)]
    assert billed_devices(ComputeSettings(processes=4, threads=8), 1) == 4
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert chosen_device(plain) == "cpu"
    assert [(stage_gpus(c), billed_devices(c, 1)) for c in (plain, two)] == [(0, 8), (0, 2)]


def test_stages_share_the_cores_in_turn() -> None:
    """4 threads, 3 stages at once: 2 + 2, then the one that wants all, then the small one that came after it."""
    pool, order, gates = CoreSlots(4, 3), [], {name: threading.Event() for name in "abcd"}
    begun = {name: threading.Event() for name in "abcd"}
    said: dict[str, list[str]] = {name: [] for name in "abcd"}

    def stage(name: str, threads: int) -> None:
        with pool.taken(threads, said[name].append):
            order.append(name)
            begun[name].set()
            assert gates[name].wait(10)

    workers = []
    for name, threads in (("a", 2), ("b", 2), ("c", 4), ("d", 1)):
        workers.append(threading.Thread(target=stage, args=(name, threads)))
        workers[-1].start()
        end = time.monotonic() + 10
        while not (begun[name].is_set() or said[name]):
            assert time.monotonic() < end
            time.sleep(0.001)
    assert sorted(order) == ["a", "b"]
    gates["a"].set()
    time.sleep(0.05)
    assert len(order) == 2  # c wants all four, and d came after it
    gates["b"].set()
    assert begun["c"].wait(10) and not begun["d"].is_set()
    gates["c"].set()
    assert begun["d"].wait(10)
    gates["d"].set()
    for worker in workers:
        worker.join(10)
    assert order[2:] == ["c", "d"]
    assert said["a"] == said["b"] == [] and said["c"] == ["waits for 4 of 4 cores: 2 stages run"]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_never_more_threads_or_stages_than_there_are(threads: int, stages: int, wanted: list[int]) -> None:
    pool, lock = CoreSlots(threads, stages), threading.Lock()
    running: list[int] = []
    most: list[tuple[int, int]] = []

    def stage(own: int) -> None:
        with pool.taken(own, lambda text: None):
            with lock:
                running.append(own)
                most.append((len(running), sum(running)))
            time.sleep(0.0005)
            with lock:
                running.remove(own)

    workers = [threading.Thread(target=stage, args=(own,)) for own in wanted]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)
    assert len(most) == len(wanted)
    assert all(count <= stages and (total <= threads or count == 1) for count, total in most)


def test_a_stage_that_fails_gives_its_cores_back() -> None:
    pool = CoreSlots(1, 1)
    with pytest.raises(ZeroDivisionError), pool.taken(1, print):
        raise ZeroDivisionError
    with pool.taken(1, pytest.fail):
        pass
