"""Which servers the environment names, and whether they answer. Without any, both are embedded in the workspace."""

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from vibethinker.runs.finding import Finding

PATIENCE = 5.0
"""Seconds a server has to answer."""
SQLITE = b"SQLite format 3\0"
DATABASES = ("postgresql", "mysql", "sqlite", "mssql")
OTHERS = ("databricks", "uc")
"""Schemes of tracking URIs whose servers have no health check."""


def mlflow_place(workspace: Path) -> tuple[str, str | None]:
    """Tracking URI and artifact root: `MLFLOW_TRACKING_URI` where it is set, else a SQLite file in the workspace."""
    configured = os.environ.get("MLFLOW_TRACKING_URI")
    if configured:
        return configured, None
    return f"sqlite:///{workspace / 'mlflow.db'}", (workspace / "mlartifacts").as_uri()


def check_prefect() -> Finding:
    """A server that is named must answer: the flow can't start without it."""
    url = os.environ.get("PREFECT_API_URL", "")
    mend = "start it (`vibethinker up`), correct PREFECT_API_URL, or unset it for the embedded server"
    if not url:
        return Finding("Prefect", "ok", "embedded, in the workspace (PREFECT_API_URL is not set)")
    if (said := malformed(url)) is not None:
        return Finding("Prefect", "problem", f"PREFECT_API_URL is {url!r}: {said}", mend)
    if (said := silence(f"{url.rstrip('/')}/health", pages=False)) is not None:
        return Finding("Prefect", "problem", f"PREFECT_API_URL is {url!r}, {said}", mend)
    return Finding("Prefect", "ok", f"the server at {url} answers")


def check_mlflow(workspace: Path) -> Finding:
    """A server that is away is a warning: the local files lead, and what is missing is said (promise 5)."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not uri:
        return _database(workspace / "mlflow.db", "move it away, and a new one is made")
    scheme = urlsplit(uri).scheme.split("+")[0]
    if scheme in ("http", "https"):
        return _mlflow_server(uri)
    if scheme == "sqlite":
        return _named_database(uri)
    if scheme in (*DATABASES, *OTHERS) or uri in OTHERS:
        return Finding(
            "MLflow", "ok", f"MLFLOW_TRACKING_URI is a {scheme or uri} store; whether it answers is not tried"
        )
    text = f"MLFLOW_TRACKING_URI is {uri!r}, which is neither a server's address nor a database's"
    mend = f"give http://, https:// or a database ({', '.join(DATABASES)}), or unset it for a database in the workspace"
    return Finding("MLflow", "problem", text, mend)


def malformed(url: str) -> str | None:
    """What is wrong with a server's address, or None."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "it must begin with http:// or https://"
    if not parts.hostname:
        return "it names no host"
    return "its port is 0" if port == 0 else None


def silence(url: str, pages: bool = True) -> str | None:
    """Why a server doesn't do its work as far as GET tells, or None. One that wants a login answers.

    pages: a web page is an answer too (MLflow's is one; Prefect's user interface has one at every address).
    """
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310  # http or https: `malformed` was asked
            page = answer.headers.get_content_type() == "text/html"
            return f"but {url} is a web page: an API's address ends in /api" if page and not pages else None
    except urllib.error.HTTPError as error:
        wants_login = error.code in (401, 403)
        return None if wants_login else f"but {url} answers {error.code}: it is another server, or not well"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"which does not answer ({getattr(error, 'reason', None) or error})"


def _mlflow_server(uri: str) -> Finding:
    mend = "start it (`vibethinker up`), correct MLFLOW_TRACKING_URI, or unset it for a database in the workspace"
    if (said := malformed(uri)) is not None:
        return Finding("MLflow", "problem", f"MLFLOW_TRACKING_URI is {uri!r}: {said}", mend)
    if (said := silence(f"{uri.rstrip('/')}/health")) is not None:
        text = f"MLFLOW_TRACKING_URI is {uri!r}, {said}; the run goes on without it, and its own files have everything"
        return Finding("MLflow", "warning", text, mend)
    return Finding("MLflow", "ok", f"the server at {uri} answers")


def _named_database(uri: str) -> Finding:
    mend = "correct MLFLOW_TRACKING_URI (sqlite:///<path>), or unset it for a database in the workspace"
    path = Path(uri.partition(":///")[2].partition("?")[0])
    if not path.name or not path.parent.is_dir():
        text = f"MLFLOW_TRACKING_URI is {uri!r}: {f'there is no folder {path.parent}' if path.name else 'it names no file'}"
        return Finding("MLflow", "problem", text, mend)
    return _database(path, mend)


def _database(path: Path, mend: str) -> Finding:
    try:
        head = b""
        if path.exists():
            with path.open("rb") as file:
                head = file.read(len(SQLITE))
    except OSError as error:
        return Finding("MLflow", "problem", f"{path} can't be read: {error.strerror}", mend)
    if head and head != SQLITE:
        return Finding("MLflow", "problem", f"{path} is not an SQLite database", mend)
    return Finding("MLflow", "ok", f"database {path}{'' if path.exists() else ' (not there yet)'}")
