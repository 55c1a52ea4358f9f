"""A server or worker that lives as long as a `with` block, under a supervisor: nothing of it outlives what started it (promise 3)."""

import math
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vibethinker.errors import ConfigError, ServiceFailed
from vibethinker.runs.supervised import Supervised

HOST = "127.0.0.1"
POLL = 0.2
"""Seconds between looks."""
LOG_LINES = 15


@dataclass(frozen=True)
class Service:
    """What to start, and how to know that it is up."""

    name: str
    """For people, e.g. `Prefect server`."""
    command: Sequence[str]
    environment: Mapping[str, str]
    """Variables besides this process's own."""
    log: Path
    health: str = ""
    """URL that answers 200 when it is up; empty waits for nothing."""
    start: float = 180.0
    """Seconds it may take to answer."""
    grace: float = 10.0
    """Seconds it has to leave before it is killed."""


@contextmanager
def serving(service: Service) -> Iterator[Supervised]:
    """Starts it, waits until it answers, and stops it at the end. Raises ServiceFailed."""
    service.log.parent.mkdir(parents=True, exist_ok=True)
    process = Supervised(
        service.command, {**os.environ, **service.environment}, service.log, (), service.grace, math.inf
    )
    try:
        deadline = time.monotonic() + service.start
        while service.health and not answers(service.health):
            check_alive(service, process)
            if time.monotonic() > deadline:
                raise ServiceFailed(
                    f"{service.name} did not answer at {service.health} in {service.start:g} s; {_tail(service)}"
                )
        yield process
    finally:
        process.end()


def check_alive(service: Service, process: Supervised) -> None:
    """Waits a moment. Raises ServiceFailed if the service has ended."""
    if (code := process.wait(POLL)) is not None:
        raise ServiceFailed(f"{service.name} ended with exit code {code}; {_tail(service)}")


def answers(url: str, seconds: float = 2.0) -> bool:
    """Whether an HTTP address answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as response:  # noqa: S310  our own http address
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def check_free(port: int, option: str) -> None:
    """Raises ConfigError where something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"{option} {port}: the port can't be used ({error}); stop what listens there, or give another {option}"
            ) from None


def _tail(service: Service) -> str:
    lines = service.log.read_text(errors="replace").splitlines()[-LOG_LINES:] if service.log.exists() else []
    return "\n".join([f"log {service.log} ends with:", *lines])
