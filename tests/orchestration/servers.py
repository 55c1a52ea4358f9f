"""Prefect and MLflow servers in processes of their own, which tests can stop and start again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vibethinker.runs.service import HOST, answers, free_port

QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


class Server:
    """One server on one port; `kill` and `start` are an outage."""

    def __init__(self, home: Path, name: str, arguments: list[str], health: str) -> None:
        self.port = free_port()
        self.address = f"http://{HOST}:{self.port}"
        self._health = self.address + health
        self._command = [sys.executable, "-m", *(a.format(port=self.port) for a in arguments)]
        self._environment = {**os.environ, **QUIET, "PREFECT_HOME": str(home / "prefect")}
        self._log = home / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Waits until it answers."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + 150
        while not answers(self._health):
            assert self._process.poll() is None and time.monotonic() < deadline, self._log.read_text()[-2000:]
            time.sleep(0.3)

    def kill(self) -> None:
        """SIGKILL, with all that it started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def prefect_server(home: Path) -> Server:
    return Server(home, "prefect", ["prefect", "server", "start", "--host", HOST, "--port", "{port}"], "/api/health")


def mlflow_server(home: Path) -> Server:
    store = ["--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--artifacts-destination", str(home / "artifacts")]
    return Server(
        home, "mlflow", ["mlflow", "server", "--host", HOST, "--port", "{port}", "--workers", "1", *store], "/health"
    )


@contextmanager
def started(*servers: Server) -> Iterator[None]:
    """All of them, killed at the end."""
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            server.kill()


def addresses(prefect: Server, mlflow: Server) -> dict[str, str]:
    """What a run's environment needs to use them."""
    return {"PREFECT_API_URL": f"{prefect.address}/api", "MLFLOW_TRACKING_URI": mlflow.address}
