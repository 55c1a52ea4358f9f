"""Weights that several outputs hold lie on the disk once."""

import os
import shutil
from pathlib import Path


def link_file(source: Path | str, target: Path | str) -> None:
    """A second name for a file, or a copy where the file system has no such links. Neither may be written to afterwards."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def link_tree(source: Path, target: Path, *left_out: str) -> None:
    """The folder's files under another folder, which must not be there yet. left_out: names of files that stay behind."""
    shutil.copytree(source, target, copy_function=link_file, ignore=shutil.ignore_patterns(*left_out))
