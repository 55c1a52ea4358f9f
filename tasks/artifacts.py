"""Prefect artifacts. A mirror (promise 5): they wait in an outbox while the server is away."""

import math
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
    """A table on the task run, or the flow run. A single row becomes a column: the page would cut a wide one."""
    here, upright = copy_context(), rows
    if len(rows) == 1:
        upright = [{"figure": name, "value": value} for name, value in rows[0].items()]
    plain = [{name: _rounded(value) for name, value in row.items()} for row in upright]
    outbox.put(lambda: here.run(create_table_artifact, plain, key=_key(key), description=description))


def link(outbox: Outbox, key: str, address: str, text: str, description: str) -> None:
    """A link on the task run, or the flow run."""
    here = copy_context()
    outbox.put(lambda: here.run(create_link_artifact, address, text, key=_key(key), description=description))


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


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
    return isinstance(
        error, httpx.TransportError | OSError | RuntimeError
    )  # Prefect raises RuntimeError at a first connection
