"""Defaults of Prefect, MLflow and tqdm that must be set before any is imported. What the user has set stays."""

import os

DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # 20 s is too short on a busy machine
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # our own progress and errors are on the terminal
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "PREFECT_CLIENT_MAX_RETRIES": "8",  # with back-off: more than eight minutes of a server that is away
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # the mirror retries by itself
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "TQDM_DISABLE": "1",  # bars of libraries would fill the stages' logs
}


def set_defaults() -> None:
    """Sets every default that the environment does not."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
