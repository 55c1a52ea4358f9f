"""Mirrors local events to MLflow from a thread of its own: a tracking server that is slow or away costs no step and no record.

The local JSONL files are the record (promise 5). What could not be sent by the end of the run is counted and said.
"""

import functools
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

log = logging.getLogger(__name__)

T = TypeVar("T")
RETRY_SECONDS = 2.0
BATCH = 900
"""Metrics a request; MLflow takes 1,000."""
PARAM_LENGTH = 500


class MlflowMirror:
    """One parent run and its children. Every method returns at once; the thread sends in order and retries."""

    def __init__(self, uri: str, experiment: str, artifact_root: str | None) -> None:
        """artifact_root: where a new experiment keeps artifacts; None leaves it to the server."""
        mlflow.set_tracking_uri(uri)  # the registry's store looks logged models up there, whatever its client was given
        self._uri, self._experiment, self._artifact_root = uri, experiment, artifact_root
        self._queue: queue.Queue[Callable[[MlflowClient], object] | None] = queue.Queue()
        self._ids: dict[str, str] = {}
        self._closing = threading.Event()
        self._deadline = 0.0
        self.unsent = 0
        self._thread = threading.Thread(target=self._work, name="mlflow-mirror", daemon=True)
        self._thread.start()

    def start_run(self, key: str, name: str, parent: str | None, tags: Mapping[str, str]) -> None:
        """A run under `key`, child of the run under `parent`."""

        def send(client: MlflowClient) -> None:
            experiment = client.get_experiment_by_name(self._experiment)
            known = (
                experiment.experiment_id
                if experiment
                else client.create_experiment(self._experiment, self._artifact_root)
            )
            family = {MLFLOW_PARENT_RUN_ID: self._ids[parent]} if parent else {}
            self._ids[key] = client.create_run(known, run_name=name, tags={**tags, **family}).info.run_id

        self._queue.put(send)

    def params(self, key: str, values: Mapping[str, object]) -> None:
        """Parameters, nested mappings flattened with dots."""
        params = [Param(k, str(v)[:PARAM_LENGTH]) for k, v in _flat(values).items()]
        self._queue.put(
            lambda client: [
                client.log_batch(self._ids[key], params=params[i : i + 90]) for i in range(0, len(params), 90)
            ]
        )

    def events(self, key: str, events: Sequence[Mapping[str, Any]]) -> None:
        """The metrics among a stage's local events."""
        metrics = [
            Metric(name, float(value), int(e["t"] * 1000), int(e["step"]))
            for e in events
            if e["kind"] == "metrics"
            for name, value in e["values"].items()
        ]
        for start in range(0, len(metrics), BATCH):
            part = metrics[start : start + BATCH]
            self._queue.put(functools.partial(self._log_metrics, key, part))

    def _log_metrics(self, key: str, metrics: list[Metric], client: MlflowClient) -> None:
        client.log_batch(self._ids[key], metrics=metrics)

    def metrics(self, key: str, values: Mapping[str, float]) -> None:
        """Final figures, at step 0."""
        moment = int(time.time() * 1000)
        metrics = [Metric(name, float(value), moment, 0) for name, value in values.items()]
        self._queue.put(lambda client: client.log_batch(self._ids[key], metrics=metrics))

    def tags(self, key: str, values: Mapping[str, object]) -> None:
        """Tags."""
        tags = [RunTag(k, str(v)) for k, v in values.items()]
        self._queue.put(lambda client: client.log_batch(self._ids[key], tags=tags))

    def datasets(self, key: str, digests: Mapping[str, str]) -> None:
        """Data sets by our own digest: MLflow's would see only the first rows."""
        inputs = [
            DatasetInput(
                Dataset(name=name, digest=digest[:36], source_type="local", source=f'{{"sha256": "{digest}"}}')
            )
            for name, digest in digests.items()
        ]
        self._queue.put(lambda client: client.log_inputs(self._ids[key], datasets=inputs))

    def artifact(self, key: str, path: Path, folder: str | None = None) -> None:
        """A file, or a folder with what is in it."""

        def send(client: MlflowClient) -> None:
            log_path = client.log_artifacts if path.is_dir() else client.log_artifact
            log_path(self._ids[key], str(path), folder)

        self._queue.put(send)

    def end_run(self, key: str, succeeded: bool) -> None:
        """FINISHED or FAILED."""
        status = "FINISHED" if succeeded else "FAILED"
        self._queue.put(lambda client: client.set_terminated(self._ids[key], status))

    def on_sent(self, action: Callable[[Mapping[str, str]], None]) -> None:
        """Runs action(MLflow ids by key) once all that was put before is sent."""
        self._queue.put(lambda client: action(self._ids))

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

        self._queue.put(send)
        if not done.wait(timeout):
            raise TimeoutError(f"MLflow at {self._uri} did not answer in {timeout:.0f} s")
        if "error" in box:
            raise box["error"]
        return cast("T", box["result"])

    def close(self, seconds: float = 15.0) -> None:
        """Waits up to `seconds` for what is still to be sent."""
        self._deadline = time.monotonic() + seconds
        self._closing.set()
        self._queue.put(None)
        self._thread.join(seconds + RETRY_SECONDS + 1)
        self.unsent += self._queue.unfinished_tasks - 1  # the None above is never marked as done
        if self.unsent:
            log.warning("%d records did not reach MLflow at %s; the local files have them all", self.unsent, self._uri)

    def _work(self) -> None:
        client = MlflowClient(self._uri)
        while (send := self._queue.get()) is not None:
            while not self._sent(client, send):
                if self._closing.is_set() and time.monotonic() > self._deadline:
                    return
                time.sleep(RETRY_SECONDS)
            self._queue.task_done()

    def _sent(self, client: MlflowClient, send: Callable[[MlflowClient], object]) -> bool:
        """Whether this record is done with: sent, or refused for good."""
        try:
            send(client)
        except Exception as error:  # whatever it is, the records behind this one must get their turn
            if _may_pass(error):
                log.warning("MLflow at %s is away (%s); kept, tried again", self._uri, str(error)[:200])
                return False
            log.warning("MLflow refused a record: %s", str(error)[:300])
            self.unsent += 1
        return True


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
