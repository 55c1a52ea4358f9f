"""A second name for weights that are there already."""

import errno
import os
from pathlib import Path

import pytest

from vibethinker.runs.links import link_tree


def tree(folder: Path) -> Path:
    (folder / "deep").mkdir(parents=True)
    (folder / "weights").write_bytes(b"w" * 100)
    (folder / "deep" / "config.json").write_text("{}")
    (folder / "probe.json").write_text("left")
    return folder


def test_files_are_the_same_files(tmp_path: Path) -> None:
    source, target = tree(tmp_path / "a"), tmp_path / "new" / "b"
    link_tree(source, target, "probe.json")
    assert target.joinpath("weights").samefile(source / "weights")
    assert target.joinpath("deep/config.json").samefile(source / "deep/config.json")
    assert not (target / "probe.json").exists()
    with pytest.raises(FileExistsError):
        link_tree(source, target)


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_a_file_system_without_links_gets_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(code, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    source, target = tree(tmp_path / "a"), tmp_path / "b"
    link_tree(source, target)
    assert (target / "weights").read_bytes() == b"w" * 100 and not target.joinpath("weights").samefile(
        source / "weights"
    )
