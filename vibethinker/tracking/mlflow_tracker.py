"""Mirrors local events to MLflow from a thread of its own: a tracking server that is slow or away costs no step and no record.

The local JSONL files are the record (promise 5). What could not be sent by the end of the run is counted and said.
"""

import functools
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS, MLFLOW_PARENT_RUN_ID

from vibethinker.tracking.outbox import Outbox
from vibethinker.tracking.tables import RESPONSES, Tables

T = TypeVar("T")
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Without it MLflow's UI takes the experiment for prompts and agents."""
BATCH = 900
"""Metrics a request; MLflow takes 1,000."""
PARAM_LENGTH = 500
AS_TABLE = json.dumps([{"path": RESPONSES, "type": "table"}])
"""By this tag MLflow's UI knows a table; its `load_table` looks for these very characters."""


class MlflowMirror:
    """One parent run and its children. Every method returns at once; the thread sends in order and retries."""

    def __init__(self, uri: str, experiment: str, artifact_root: str | None) -> None:
        """artifact_root: where a new experiment keeps artifacts; None leaves it to the server."""
        mlflow.set_tracking_uri(uri)  # the registry's store looks logged models up there, whatever its client was given
        self._uri, self._experiment, self._artifact_root = uri, experiment, artifact_root
        self._ids: dict[str, str] = {}
        self._tables: dict[str, Tables] = {}
        self._experiment_id = ""
        self._client: MlflowClient | None = None
        self._outbox = Outbox(f"MLflow at {uri}", _may_pass)

    @property
    def unsent(self) -> int:
        """Records that were refused or, after `close`, never sent."""
        return self._outbox.unsent

    def _put(self, send: Callable[[MlflowClient], object]) -> None:
        self._outbox.put(lambda: send(self._connected()))

    def _connected(self) -> MlflowClient:
        """The client, made in the outbox's thread: a store in a file is first migrated, which takes seconds."""
        if self._client is None:
            self._client = MlflowClient(self._uri)
        return self._client

    def start_run(self, key: str, name: str, parent: str | None, tags: Mapping[str, str]) -> None:
        """A run under `key`, child of the run under `parent`."""
        self._tables[key] = Tables()

        def send(client: MlflowClient) -> None:
            experiment = client.get_experiment_by_name(self._experiment)
            known = (
                experiment.experiment_id
                if experiment
                else client.create_experiment(self._experiment, self._artifact_root, KIND)
            )
            family = {MLFLOW_PARENT_RUN_ID: self._ids[parent]} if parent else {}
            self._experiment_id = known
            self._ids[key] = client.create_run(known, run_name=name, tags={**tags, **family}).info.run_id

        self._put(send)

    def params(self, key: str, values: Mapping[str, object]) -> None:
        """Parameters, nested mappings flattened with dots."""
        params = [Param(k, str(v)[:PARAM_LENGTH]) for k, v in _flat(values).items()]
        self._put(
            lambda client: [
                client.log_batch(self._ids[key], params=params[i : i + 90]) for i in range(0, len(params), 90)
            ]
        )

    def events(self, key: str, events: Sequence[Mapping[str, Any]]) -> None:
        """A stage's local events: metrics at once, shown responses and histograms as files that are sent now and then."""
        metrics = [
            Metric(name, float(value), int(e["t"] * 1000), int(e["step"]))
            for e in events
            if e["kind"] == "metrics"
            for name, value in e["values"].items()
        ]
        for start in range(0, len(metrics), BATCH):
            part = metrics[start : start + BATCH]
            self._put(functools.partial(self._log_metrics, key, part))
        tables = self._tables[key]
        for event in events:
            tables.add(event)
        if tables.due():
            self._put(functools.partial(self._log_tables, key, tables))

    def _log_tables(self, key: str, tables: Tables, client: MlflowClient) -> None:
        """Not by MLflow's own `log_table`: it appends to what is there, so that a retry would double rows."""
        for name, text in tables.unsent():
            client.log_text(self._ids[key], text, name)
            if name == RESPONSES:
                client.set_tag(self._ids[key], MLFLOW_LOGGED_ARTIFACTS, AS_TABLE)

    def _log_metrics(self, key: str, metrics: list[Metric], client: MlflowClient) -> None:
        client.log_batch(self._ids[key], metrics=metrics)

    def metrics(self, key: str, values: Mapping[str, float]) -> None:
        """Final figures, at step 0."""
        moment = int(time.time() * 1000)
        metrics = [Metric(name, float(value), moment, 0) for name, value in values.items()]
        self._put(lambda client: client.log_batch(self._ids[key], metrics=metrics))

    def tags(self, key: str, values: Mapping[str, object]) -> None:
        """Tags."""
        tags = [RunTag(k, str(v)) for k, v in values.items()]
        self._put(lambda client: client.log_batch(self._ids[key], tags=tags))

    def datasets(self, key: str, digests: Mapping[str, str]) -> None:
        """Data sets by our own digest: MLflow's would see only the first rows."""
        inputs = [
            DatasetInput(
                Dataset(name=name, digest=digest[:36], source_type="local", source=f'{{"sha256": "{digest}"}}')
            )
            for name, digest in digests.items()
        ]
        self._put(lambda client: client.log_inputs(self._ids[key], datasets=inputs))

    def artifact(self, key: str, path: Path, folder: str | None = None) -> None:
        """A file, or a folder with what is in it."""

        def send(client: MlflowClient) -> None:
            log_path = client.log_artifacts if path.is_dir() else client.log_artifact
            log_path(self._ids[key], str(path), folder)

        self._put(send)

    def end_run(self, key: str, succeeded: bool) -> None:
        """FINISHED or FAILED, once all its tables are sent."""
        status = "FINISHED" if succeeded else "FAILED"
        if self._tables[key].files:
            self._put(functools.partial(self._log_tables, key, self._tables[key]))
        self._put(lambda client: client.set_terminated(self._ids[key], status))

    def on_sent(self, action: Callable[[Mapping[str, str]], None]) -> None:
        """Runs action(MLflow ids by key) once all that was put before is sent."""
        self._put(lambda client: action(self._ids))

    def page(self, key: str) -> str:
        """Address of a sent run's page in MLflow's UI; empty where the store is no server."""
        if not self._uri.startswith("http"):
            return ""
        return f"{self._uri.rstrip('/')}/#/experiments/{self._experiment_id}/runs/{self._ids[key]}"

    def call(self, action: Callable[[MlflowClient, Mapping[str, str]], T], timeout: float) -> T:
        """Runs action(client, ids by key) after all that was put before, and gives its result. Raises what it raises."""
        done = threading.Event()
        box: dict[str, Any] = {}

        def send(client: MlflowClient) -> None:
            try:
                box["result"] = action(client, self._ids)
            except Exception as error:
                box["error"] = error
            done.set()

        self._put(send)
        if not done.wait(timeout):
            raise TimeoutError(f"MLflow at {self._uri} did not answer in {timeout:.0f} s")
        if "error" in box:
            raise box["error"]
        return cast("T", box["result"])

    def end_killed(self, run_id: str) -> None:
        """KILLED, for a run of an earlier process, by MLflow's id, and those of its children that still count as running."""

        def send(client: MlflowClient) -> None:
            try:
                parent = client.get_run(run_id)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":  # of another store
                    return
                raise
            children = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'"
            for run in [*client.search_runs([parent.info.experiment_id], children, max_results=1000), parent]:
                if run.info.status == "RUNNING":
                    client.set_terminated(run.info.run_id, "KILLED")

        self._put(send)

    def close(self, seconds: float = 15.0) -> None:
        """Waits up to `seconds` for what is still to be sent."""
        self._outbox.close(seconds)


def _may_pass(error: Exception) -> bool:
    """Whether the same record may be taken later: the server is away or busy, and nothing is wrong with the record."""
    if isinstance(error, MlflowException):
        return error.error_code in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")
    return isinstance(error, OSError) and not isinstance(error, FileNotFoundError | PermissionError)


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
