"""What a given base model is, for fingerprints; reads no weights into memory and imports no torch."""

import hashlib
import importlib.metadata
import importlib.util
import re
from pathlib import Path

from vibethinker.errors import ConfigError
from vibethinker.models.folder import check_model_folder

PACKAGE = "package:"
"""Prefix of models that come inside a Python package."""
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def model_digest(source: str, revision: str) -> str:
    """Identity of a base model: contents of a local folder, name and version of a package, or hub id and revision.

    Raises ConfigError where a package or folder is not there, or can't be a model.
    """
    folder = model_folder(source)
    if folder is not None:
        return _folder_digest(folder)
    if source.startswith(PACKAGE):
        return f"{source}=={_package_version(source.removeprefix(PACKAGE))}"
    return f"hub:{source}@{revision or 'main'}"


def model_folder(source: str) -> Path | None:
    """A base model's local folder, looked through but not hashed; None for a package or a hub id. Raises ConfigError."""
    if source.startswith(PACKAGE):
        _package_version(source.removeprefix(PACKAGE))
        return None
    try:
        folder = Path(source).expanduser()
        there = folder.is_dir()
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"base.source {source!r} can't be read: {error}; give a folder, or a hub id") from error
    if there:
        check_model_folder(folder)
        return folder
    if source.startswith((".", "/", "~")):
        raise ConfigError(f"base.source {source!r} is not a folder; give an existing one, or a hub id")
    if not _HUB_ID.fullmatch(source):
        raise ConfigError(
            f"base.source {source!r} is neither `scratch`, `package:<name>`, a folder, nor a hub id (owner/name); correct it"
        )
    return None


def _package_version(name: str) -> str:
    """Version of the installed package that a model is in."""
    try:
        version = importlib.metadata.version(name)
    except (importlib.metadata.PackageNotFoundError, ValueError) as error:
        raise ConfigError(
            f"base.source '{PACKAGE}{name}': the package is not installed; pip install {name or '<name>'}"
        ) from error
    if importlib.util.find_spec("gguf") is None:
        raise ConfigError(f"base.source '{PACKAGE}{name}' needs the package gguf to be read; pip install gguf")
    return version


def _folder_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        with path.open("rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
