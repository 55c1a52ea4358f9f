"""Prefect artifacts. A mirror (promise 5): they wait in an outbox while the server is away."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context

import httpx
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from vibethinker.tracking.outbox import Outbox


class PrefectMirror:
    """Artifacts and states of one run on their way to Prefect. Every method returns at once."""

    def __init__(self, prefix: str) -> None:
        """prefix: of the artifacts' keys, under which Prefect keeps their history: the profile's name."""
        self._prefix = prefix
        self._outbox = Outbox("Prefect", _may_pass)

    def markdown(self, key: str, text: str, description: str) -> None:
        """A page of Markdown on the task run, or the flow run."""
        self._artifact(create_markdown_artifact, text, key=key, description=description)

    def table(self, key: str, rows: Sequence[Mapping[str, object]], description: str) -> None:
        """A table on the task run, or the flow run. A single row becomes a column: the page would cut a wide one."""
        upright = rows
        if len(rows) == 1:
            upright = [{"figure": name, "value": value} for name, value in rows[0].items()]
        plain = [{name: _rounded(value) for name, value in row.items()} for row in upright]
        self._artifact(create_table_artifact, plain, key=key, description=description)

    def link(self, key: str, address: str, text: str, description: str) -> None:
        """A link on the task run, or the flow run."""
        self._artifact(create_link_artifact, address, text, key=key, description=description)

    def put(self, send: Callable[[], object]) -> None:
        """Anything else, in its turn."""
        self._outbox.put(send)

    def close(self) -> None:
        """Waits a while for what is still to be sent."""
        self._outbox.close()

    def _artifact(self, create: Callable[..., object], *contents: object, key: str, description: str) -> None:
        here = copy_context()  # names the run that the artifact belongs to
        name = re.sub(r"[^a-z0-9]+", "-", f"{self._prefix}-{key}".lower()).strip("-")
        self._outbox.put(lambda: here.run(create, *contents, key=name, description=description))


def _rounded(value: object) -> object:
    """Numbers as a person reads them; JSON knows no NaN."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return str(value)
    return int(value) if value == int(value) else round(value, 4)


def _may_pass(error: Exception) -> bool:
    """Whether the server may take the record later."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500
    # Prefect raises RuntimeError where its first connection fails
    return isinstance(error, httpx.TransportError | OSError | RuntimeError)
