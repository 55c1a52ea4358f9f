"""`vibethinker up`: Prefect server, MLflow server and a worker on this machine, until told to stop."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil
from prefect.context import refresh_global_settings_context
from rich.console import Console

from flows import services
from vibethinker.config.load import load_profile, profile_names
from vibethinker.runs.service import Service, check_alive, check_free, serving
from vibethinker.runs.supervised import Supervised


def up(workspace: Path, prefect_port: int, mlflow_port: int) -> None:
    """Returns when told to stop by SIGINT, SIGTERM or SIGHUP. Raises ConfigError (a port is taken), ServiceFailed."""
    check_free(prefect_port, "--prefect-port")
    check_free(mlflow_port, "--mlflow-port")
    console = Console()
    with ExitStack() as running, _told_to_stop() as stop:
        processes: list[tuple[Service, Supervised]] = []

        def begin(service: Service) -> Service:
            console.print(f"{service.name:<15} starting; log {service.log}", highlight=False, soft_wrap=True)
            processes.append((service, running.enter_context(serving(service))))
            return service

        prefect = begin(services.prefect_server(workspace, prefect_port)).health.removesuffix("/api/health")
        mlflow = begin(services.mlflow_server(workspace, mlflow_port)).health.removesuffix("/health")
        os.environ |= {"PREFECT_API_URL": f"{prefect}/api", "MLFLOW_TRACKING_URI": mlflow}
        refresh_global_settings_context()
        from flows.deployments import deploy

        deploy([load_profile(name) for name in profile_names()], workspace, services.POOL)
        begin(services.worker(workspace))
        running.callback(_stop_flows)  # first of all that is stopped
        _say_ready(console, prefect, mlflow)
        while not stop.is_set():
            for service, process in processes:
                check_alive(service, process)
        console.print("Stopping: a running flow writes a checkpoint first")
    console.print("Stopped; nothing is left running")


def _stop_flows() -> None:
    """Tells the running flows to stop and waits for them: Prefect's worker would kill them when it leaves."""
    flows = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if services.FLOW in process.cmdline():
                process.terminate()
                flows.append(process)
    psutil.wait_procs(flows, timeout=services.FLOW_GRACE)


def _say_ready(console: Console, prefect: str, mlflow: str) -> None:
    console.print(
        f"\n[bold]Up[/], until Ctrl-C\n"
        f"  Prefect  {prefect}/deployments\n"
        f"  MLflow   {mlflow}\n"
        f"  start a run from its form, or from another terminal:\n"
        f"    export PREFECT_API_URL={prefect}/api MLFLOW_TRACKING_URI={mlflow}\n"
        f"    .venv/bin/prefect deployment run ssp/tiny\n",
        highlight=False,
        soft_wrap=True,
    )


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Set by a signal; a second SIGINT interrupts."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
