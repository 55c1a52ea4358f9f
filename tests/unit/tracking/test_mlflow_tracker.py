"""The mirror against a real store, and against one that is away."""

import socket
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from mlflow import MlflowClient

from vibethinker.tracking import outbox, tables
from vibethinker.tracking.local import LocalTracker, read_events
from vibethinker.tracking.mlflow_tracker import MlflowMirror


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for all tests: making it costs a second."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def dead() -> str:
    """An address where nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")


def test_runs_with_all_that_belongs_to_them(uri: str, tmp_path: Path) -> None:
    with LocalTracker(tmp_path / "events.jsonl") as tracker:
        for step in range(1, 1001):  # more than one request's worth
            tracker.metrics(step, {"loss": 1 / step, "reward": step / 1000})
        tracker.progress("sft", 1000, 1000)
    (tmp_path / "report.html").write_text("<p>report</p>")
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "a.png").write_bytes(b"png")
    mirror = MlflowMirror(uri, "lab", (tmp_path / "artifacts").as_uri())
    mirror.start_run("run", "tiny-1", None, {"profile": "tiny"})
    mirror.start_run("expert", "expert-algebra", "run", {"attempt": "1"})
    mirror.params(
        "expert", {"sft": {"epochs": 2, "deep": {"er": True}}, "long": "x" * 9000, **{f"p{i}": i for i in range(150)}}
    )
    mirror.events("expert", list(read_events(tmp_path / "events.jsonl")))
    mirror.metrics("expert", {"seconds": 3.5})
    mirror.tags("expert", {"fingerprint": "abc"})
    mirror.datasets("expert", {"split": "f" * 64})
    mirror.artifact("run", tmp_path / "report.html")
    mirror.artifact("run", tmp_path / "plots", "plots")
    mirror.end_run("expert", True)
    mirror.end_run("run", False)
    ids = mirror.call(lambda client, ids: dict(ids), 60)
    mirror.close(60)
    assert mirror.unsent == 0
    client = MlflowClient(uri)
    parent, child = client.get_run(ids["run"]), client.get_run(ids["expert"])
    assert child.data.tags["mlflow.parentRunId"] == ids["run"]
    assert (parent.info.status, child.info.status) == ("FAILED", "FINISHED")
    assert (parent.info.run_name, parent.data.tags["profile"]) == ("tiny-1", "tiny")
    assert child.data.params["sft.epochs"] == "2"
    assert child.data.params["sft.deep.er"] == "True"
    assert child.data.params["p149"] == "149"
    assert len(child.data.params["long"]) == 500
    history = sorted(client.get_metric_history(ids["expert"], "loss"), key=lambda m: m.step)
    assert [m.step for m in history] == list(range(1, 1001))
    assert history[9].value == pytest.approx(0.1)
    assert (child.data.metrics["seconds"], child.data.tags["fingerprint"]) == (3.5, "abc")
    (dataset,) = child.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("split", "f" * 36)
    assert {f.path for f in client.list_artifacts(ids["run"])} == {"report.html", "plots"}
    assert [f.path for f in client.list_artifacts(ids["run"], "plots")] == ["plots/a.png"]


def mgpo_events(path: Path, steps: range) -> list[dict[str, Any]]:
    """As a stage writes them: a histogram a step, a shown response every second step."""
    with LocalTracker(path) as tracker:
        for step in steps:
            tracker.histogram("p_c", step, [0.0, 0.5, 1.0], [step, 1])
            if step % 2:
                row = {"question": "<b>?", "response": "r" * 3000, "status": "correct", "extracted": None}
                tracker.samples(step, [{**row, "advantage": 0.5}])
    return list(read_events(path))


def shown_table(client: MlflowClient, run: str, folder: Path) -> dict[str, Any]:
    return dict(orjson.loads(Path(client.download_artifacts(run, "responses.json", str(folder))).read_bytes()))


def test_responses_and_histograms_become_artifacts(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = MlflowMirror(uri, "shown", (tmp_path / "artifacts").as_uri())
    monkeypatch.setattr(tables, "EVERY", 0.0)
    mirror.start_run("mgpo", "mgpo-a", None, {})
    mirror.events("mgpo", mgpo_events(tmp_path / "1.jsonl", range(1, 4)))
    ids = mirror.call(lambda client, ids: dict(ids), 60)
    client = MlflowClient(uri)
    assert len(shown_table(client, ids["mgpo"], tmp_path)["data"]) == 2  # while it works
    monkeypatch.setattr(tables, "EVERY", 3600.0)
    mirror.events("mgpo", mgpo_events(tmp_path / "2.jsonl", range(4, 6)))  # these are due only now and then
    mirror.events("mgpo", mgpo_events(tmp_path / "3.jsonl", range(6, 8)))
    mirror.end_run("mgpo", True)  # or at the end
    mirror.close(60)
    assert mirror.unsent == 0
    found = shown_table(client, ids["mgpo"], tmp_path)
    assert found["columns"] == ["step", "question", "response", "status", "extracted", "advantage"]
    assert [row[0] for row in found["data"]] == [1, 3, 5, 7]
    assert len(found["data"][0][2]) < 2100
    page = Path(client.download_artifacts(ids["mgpo"], "p_c.html", str(tmp_path))).read_text()
    assert page.count("<tr><th>step</th>") == 1 and page.index("<th>7</th>") < page.index("<th>1</th>")
    assert [f.path for f in client.list_artifacts(ids["mgpo"])] == ["p_c.html", "responses.json"]
    # MLflow itself knows it as a table
    experiment = client.get_run(ids["mgpo"]).info.experiment_id
    loaded = client.load_table(experiment, "responses.json", run_ids=[ids["mgpo"]])
    assert loaded["advantage"].tolist() == [0.5] * 4


def test_a_stage_that_starts_again_begins_new_tables(uri: str, tmp_path: Path) -> None:
    mirror = MlflowMirror(uri, "again", (tmp_path / "artifacts").as_uri())
    ids = []
    for part in (range(1, 6), range(5, 8)):
        mirror.start_run("mgpo", "mgpo-a", None, {})
        mirror.events("mgpo", mgpo_events(tmp_path / f"{part}.jsonl", part))
        mirror.end_run("mgpo", True)
        ids.append(mirror.call(lambda client, ids: ids["mgpo"], 60))
    mirror.close(60)
    steps = [[row[0] for row in shown_table(MlflowClient(uri), run, tmp_path)["data"]] for run in ids]
    assert steps == [[1, 3, 5], [5, 7]]


@pytest.mark.usefixtures("one_try")
def test_artifacts_wait_for_a_server_that_is_away(
    uri: str, dead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(tables, "EVERY", 0.0)
    mirror = MlflowMirror(dead, "waits", (tmp_path / "artifacts").as_uri())
    mirror.start_run("mgpo", "mgpo-a", None, {})
    mirror.events("mgpo", mgpo_events(tmp_path / "1.jsonl", range(1, 4)))
    mirror.events("mgpo", mgpo_events(tmp_path / "2.jsonl", range(4, 8)))
    mirror.end_run("mgpo", True)
    monkeypatch.setattr(mirror, "_connected", lambda: MlflowClient(uri))
    run = mirror.call(lambda client, ids: ids["mgpo"], 60)
    mirror.close(30)
    assert mirror.unsent == 0
    assert [row[0] for row in shown_table(MlflowClient(uri), run, tmp_path)["data"]] == [1, 3, 5, 7]


def test_call_gives_results_and_raises_errors(uri: str) -> None:
    mirror = MlflowMirror(uri, "lab", None)
    assert mirror.call(lambda client, ids: 42, 60) == 42
    with pytest.raises(ZeroDivisionError):
        mirror.call(lambda client, ids: 1 / 0, 60)
    assert mirror.call(lambda client, ids: 43, 60) == 43
    mirror.close(60)
    assert mirror.unsent == 0


def test_a_record_that_is_refused_is_counted_and_the_rest_goes_on(uri: str) -> None:
    mirror = MlflowMirror(uri, "lab", None)
    mirror.start_run("run", "one", None, {})
    mirror.metrics("nobody", {"x": 1.0})
    mirror.params("run", {"a": 1})
    mirror.params("run", {"a": 2})  # MLflow keeps the first value and refuses another
    mirror.metrics("run", {"x": 2.0})
    ids = mirror.call(lambda client, ids: dict(ids), 60)
    mirror.close(60)
    assert mirror.unsent == 2
    assert MlflowClient(uri).get_run(ids["run"]).data.metrics == {"x": 2.0}


def test_a_failing_action_does_not_end_the_mirror(uri: str) -> None:
    def fails(ids: Any) -> None:
        raise ValueError("the record could not be written")

    mirror = MlflowMirror(uri, "lab", None)
    mirror.start_run("run", "one", None, {})
    mirror.on_sent(fails)
    seen: list[Any] = []
    mirror.on_sent(lambda ids: seen.append(dict(ids)))
    mirror.close(60)
    assert mirror.unsent == 1
    assert seen and seen[0].keys() == {"run"}


def test_a_file_that_is_gone_does_not_hold_up_the_rest(uri: str, tmp_path: Path) -> None:
    mirror = MlflowMirror(uri, "gone", (tmp_path / "artifacts").as_uri())
    mirror.start_run("run", "one", None, {})
    mirror.artifact("run", tmp_path / "log.txt")
    mirror.metrics("run", {"x": 2.0})
    ids = mirror.call(lambda client, ids: dict(ids), 60)
    mirror.close(60)
    assert mirror.unsent == 1
    assert MlflowClient(uri).get_run(ids["run"]).data.metrics == {"x": 2.0}


@pytest.mark.usefixtures("one_try")
def test_a_server_that_is_away_costs_neither_the_run_nor_its_end(dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "RETRY_SECONDS", 0.1)
    mirror = MlflowMirror(dead, "lab", None)
    started = time.monotonic()
    mirror.start_run("run", "one", None, {})
    for i in range(20):
        mirror.metrics("run", {"x": float(i)})
    mirror.end_run("run", True)
    assert time.monotonic() - started < 0.5  # every method returns at once
    mirror.close(1.0)
    assert time.monotonic() - started < 6
    assert mirror.unsent == 22


def test_a_server_that_never_answers_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that hangs can't be interrupted: what it holds and what waits behind it is counted all the same."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    monkeypatch.setattr(outbox, "RETRY_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = MlflowMirror(f"http://127.0.0.1:{silent.getsockname()[1]}", "lab", None)
        mirror.start_run("run", "one", None, {})
        mirror.metrics("run", {"x": 1.0})
        started = time.monotonic()
        mirror.close(0.5)
        assert time.monotonic() - started < 4
        assert mirror.unsent == 2


@pytest.mark.usefixtures("one_try")
def test_what_waited_is_sent_when_the_server_is_back(uri: str, dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is told another address half way: all that an outage looks like from here."""
    monkeypatch.setattr(outbox, "RETRY_SECONDS", 0.1)
    mirror = MlflowMirror(dead, "lab", None)
    mirror.start_run("run", "one", None, {})
    mirror.metrics("run", {"x": 1.0})
    back = threading.Event()
    monkeypatch.setattr(mirror, "_connected", lambda: MlflowClient(uri if back.is_set() else dead))
    time.sleep(0.3)
    back.set()
    ids = mirror.call(lambda client, ids: dict(ids), 60)
    mirror.close(30)
    assert mirror.unsent == 0
    assert MlflowClient(uri).get_run(ids["run"]).data.metrics == {"x": 1.0}
