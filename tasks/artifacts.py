"""Prefect artifacts. A mirror (promise 5): a server that is away costs a warning."""

import logging
import re
from collections.abc import Mapping, Sequence

from prefect.artifacts import create_markdown_artifact, create_table_artifact

log = logging.getLogger(__name__)


def markdown(key: str, text: str, description: str) -> None:
    """A page of Markdown on the task run."""
    try:
        create_markdown_artifact(text, key=_key(key), description=description)
    except Exception as error:
        log.warning("Prefect artifact %s was not written: %s", key, error)


def table(key: str, rows: Sequence[Mapping[str, object]], description: str) -> None:
    """A table on the task run."""
    try:
        create_table_artifact([dict(r) for r in rows], key=_key(key), description=description)
    except Exception as error:
        log.warning("Prefect artifact %s was not written: %s", key, error)


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
