"""Prefect artifacts. A mirror (promise 5): they wait in an outbox while the server is away."""

import re
from collections.abc import Mapping, Sequence
from contextvars import copy_context

import httpx
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from vibethinker.tracking.outbox import Outbox


def prefect_outbox() -> Outbox:
    """For the records of one run."""
    return Outbox("Prefect", _may_pass)


def markdown(outbox: Outbox, key: str, text: str, description: str) -> None:
    """A page of Markdown on the task run, or the flow run."""
    here = copy_context()  # names the run that the artifact belongs to
    outbox.put(lambda: here.run(create_markdown_artifact, text, key=_key(key), description=description))


def table(outbox: Outbox, key: str, rows: Sequence[Mapping[str, object]], description: str) -> None:
    """A table on the task run, or the flow run."""
    here, plain = copy_context(), [dict(r) for r in rows]
    outbox.put(lambda: here.run(create_table_artifact, plain, key=_key(key), description=description))


def link(outbox: Outbox, key: str, address: str, text: str, description: str) -> None:
    """A link on the task run, or the flow run."""
    here = copy_context()
    outbox.put(lambda: here.run(create_link_artifact, address, text, key=_key(key), description=description))


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _may_pass(error: Exception) -> bool:
    """Whether the server may take the record later."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500
    return isinstance(
        error, httpx.TransportError | OSError | RuntimeError
    )  # Prefect raises RuntimeError at a first connection
