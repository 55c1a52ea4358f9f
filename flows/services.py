"""The servers and the worker that this project starts itself: one embedded Prefect server a run, or all of them for `vibethinker up`."""

import atexit
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import prefect
from prefect.context import refresh_global_settings_context
from prefect.settings import get_current_settings

from vibethinker.errors import ConfigError
from vibethinker.runs.service import HOST, Service, free_port, serving
from vibethinker.tracking.servers import silence

POOL = "vibethinker"
"""Work pool of the deployments."""
FLOW = "prefect.engine"
"""Module that a worker starts as the process of a flow run."""
FLOW_GRACE = 60.0
"""Seconds a flow has to write a checkpoint and leave."""


def prefect_api(workspace: Path) -> str:
    """URL of the Prefect server that is configured, or else of one that is started here and lives as long as this process.

    Prefect would start a server by itself, but one that survives the kill of what started it, and that gets Ctrl-C too.
    """
    if configured := get_current_settings().api.url:
        check_server()
        return configured
    service = _embedded(workspace, free_port())
    running = ExitStack()
    atexit.register(running.close)  # before Prefect registers its own, so that its last records still find the server
    running.enter_context(serving(service))
    os.environ["PREFECT_API_URL"] = url = service.health.removesuffix("/health")
    refresh_global_settings_context()
    return url


def check_server() -> None:
    """Raises ConfigError where no Prefect server is configured, or it does not answer."""
    url = get_current_settings().api.url
    mend = "start one with `vibethinker up`, and give its address, e.g. PREFECT_API_URL=http://127.0.0.1:4200/api"
    if not url:
        raise ConfigError(f"PREFECT_API_URL is not set: deployments need a Prefect server; {mend}")
    if said := silence(f"{url}/health", pages=False):
        raise ConfigError(f"PREFECT_API_URL is {url!r}, {said}; {mend}")


def _embedded(workspace: Path, port: int) -> Service:
    """Prefect's server without UI and scheduler, as Prefect itself starts it for a run."""
    application = [sys.executable, "-m", "uvicorn", "--app-dir", str(Path(prefect.__file__).parent)]
    factory = ["--factory", "prefect.server.api.server:create_app", "--log-level", "error", "--lifespan", "on"]
    own = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    return Service(
        "embedded Prefect server",
        [*application, *factory, "--host", HOST, "--port", str(port)],
        own | _database(workspace),
        workspace / "services" / "prefect.log",
        f"http://{HOST}:{port}/api/health",
    )


def prefect_server(workspace: Path, port: int) -> Service:
    """Prefect's server with its UI."""
    return Service(
        "Prefect server",
        [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)],
        _database(workspace) | {"PREFECT_UI_API_URL": f"http://{HOST}:{port}/api"},
        workspace / "services" / "prefect.log",
        f"http://{HOST}:{port}/api/health",
    )


def mlflow_server(workspace: Path, port: int) -> Service:
    """MLflow on the same store that runs without a server write to."""
    store = ["--backend-store-uri", f"sqlite:///{workspace / 'mlflow.db'}"]
    artifacts = ["--artifacts-destination", str(workspace / "mlartifacts")]
    return Service(
        "MLflow server",
        [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            HOST,
            "--port",
            str(port),
            "--workers",
            "1",
            *store,
            *artifacts,
        ],
        {},
        workspace / "services" / "mlflow.log",
        f"http://{HOST}:{port}/health",
    )


def worker(workspace: Path) -> Service:
    """A worker that runs deployments one at a time. Told to stop, it kills a running flow, whose stages then checkpoint."""
    pool = ["--pool", POOL, "--type", "process", "--name", "local", "--limit", "1"]
    return Service(
        "worker",
        [sys.executable, "-m", "prefect", "worker", "start", *pool],
        {},
        workspace / "services" / "worker.log",
        grace=FLOW_GRACE,
    )


def _database(workspace: Path) -> dict[str, str]:
    """Prefect's records lie in the workspace, unless the user keeps them elsewhere."""
    name = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
    return {name: os.environ.get(name) or f"sqlite+aiosqlite:///{workspace / 'prefect.db'}"}
