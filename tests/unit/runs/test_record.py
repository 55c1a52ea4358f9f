"""A run's record under several threads, and records that can't be read."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from vibethinker.errors import DataError
from vibethinker.runs.record import NodeState, RunStore, list_runs


def make(workspace: Path, nodes: int = 2, profile: str = "tiny") -> RunStore:
    states = {f"n{i}": NodeState(path=f"stages/n{i}", fingerprint=f"f{i}") for i in range(nodes)}
    return RunStore.create(workspace, profile, {"seed": 17}, states)


def test_a_new_run(tmp_path: Path) -> None:
    record = make(tmp_path).read()
    assert (record.profile, record.status, record.finished, record.settings) == ("tiny", "running", None, {"seed": 17})
    assert record.nodes["n1"] == NodeState(
        path="stages/n1", fingerprint="f1", status="pending", seconds=0.0, dollars=0.0
    )
    raw = orjson.loads((tmp_path / "runs" / record.run / "run.json").read_bytes())
    assert raw["nodes"]["n0"]["status"] == "pending"


def test_changes_last_and_leave_the_rest(tmp_path: Path) -> None:
    store = make(tmp_path)
    store.update_node("n0", status="sealed", seconds=2.5)
    store.update(status="completed", finished="2026-01-01T00:00:00+00:00", mlflow_run="abc")
    record = RunStore(tmp_path, store.folder.name).read()
    assert (record.status, record.mlflow_run, record.settings) == ("completed", "abc", {"seed": 17})
    assert (record.nodes["n0"].status, record.nodes["n0"].seconds) == ("sealed", 2.5)
    assert record.nodes["n1"].status == "pending"


def test_concurrent_changes_lose_nothing(tmp_path: Path) -> None:
    nodes = 12
    store = make(tmp_path, nodes)
    barrier = threading.Barrier(nodes)

    def work(i: int) -> None:
        barrier.wait()
        store.update_node(f"n{i}", status="running")
        store.update_node(f"n{i}", seconds=float(i))
        if i == 5:
            store.update(mlflow_run="abc")
        store.update_node(f"n{i}", status="sealed")

    with ThreadPoolExecutor(nodes) as pool:
        list(pool.map(work, range(nodes)))
    record = store.read()
    assert [record.nodes[f"n{i}"].seconds for i in range(nodes)] == [float(i) for i in range(nodes)]
    assert {n.status for n in record.nodes.values()} == {"sealed"}
    assert record.mlflow_run == "abc"


def test_a_reader_never_sees_half_a_record(tmp_path: Path) -> None:
    store = make(tmp_path, 60)
    done = threading.Event()
    errors: list[Exception] = []

    def read() -> None:
        while not done.is_set():
            try:
                RunStore(tmp_path, store.folder.name).read()
            except DataError as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(30):
        store.update_node(f"n{i}", status="sealed")
    done.set()
    reader.join()
    assert errors == []


def test_ids_are_unique(tmp_path: Path) -> None:
    assert len({make(tmp_path).folder.name for _ in range(10)}) == 10


def test_runs_newest_first_without_the_broken(tmp_path: Path) -> None:
    stores = [make(tmp_path) for _ in range(3)]
    for store, moment in zip(stores, ["01", "03", "02"], strict=True):
        store.update(started=f"2026-01-{moment}T00:00:00+00:00")
    broken = tmp_path / "runs" / "broken"
    broken.mkdir()
    (broken / "run.json").write_text('{"run": "broken"')
    (tmp_path / "runs" / "empty").mkdir()
    found = [r.run for r in list_runs(tmp_path)]
    assert found == [stores[i].folder.name for i in (1, 2, 0)]


def test_no_runs_yet(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"run": 3}', b"[]"])
def test_unreadable_records_name_the_file(tmp_path: Path, content: bytes | None) -> None:
    store = make(tmp_path)
    path = store.folder / "run.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="not a readable run record") as error:
        store.read()
    assert str(path) in str(error.value)


def test_an_unknown_node_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        make(tmp_path).update_node("nowhere", status="sealed")
