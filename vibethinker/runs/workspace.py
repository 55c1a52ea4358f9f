"""Whether a workspace can be used: tried for real, and left as it was found."""

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from vibethinker.runs.finding import Finding

GB = 1e9


def check_workspace(workspace: Path, disk_gb: float) -> list[Finding]:
    """Can be made, written, and has `disk_gb` GB free."""
    try:
        first = first_there(workspace)
        for place in (first, workspace / "stages", workspace / "runs"):
            if os.path.lexists(place) and not place.is_dir():
                text = f"workspace {workspace}: {place} is not a folder"
                return [Finding("workspace", "problem", text, "give another folder with --workspace, or move it away")]
        _try_to_write(workspace)
    except OSError as error:
        text = f"workspace {workspace} can't be written: {error.strerror or error}"
        mend = "give a folder that this user may write with --workspace, or mend its permissions"
        return [Finding("workspace", "problem", text, mend)]
    state = "exists and can be written" if first == workspace else "can be made"
    return [Finding("workspace", "ok", f"{workspace} {state}"), _disk(workspace, first, disk_gb)]


def first_there(path: Path) -> Path:
    """The absolute path, or the nearest above it that exists."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def _try_to_write(workspace: Path) -> None:
    """Makes the folder and a file in it, to the disk, and takes away again what it made."""
    missing = [place for place in (workspace, *workspace.parents) if not place.exists()]
    made = workspace / f".preflight-{uuid.uuid4().hex}"
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        with made.open("wb") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    finally:
        if made.exists():
            made.unlink()
        for place in missing:
            with suppress(OSError):  # another run has begun to use it
                place.rmdir()


def _disk(workspace: Path, there: Path, disk_gb: float) -> Finding:
    free = shutil.disk_usage(there).free / GB
    text = f"{free:,.1f} GB free, a run needs about {disk_gb:g} (compute.disk_gb)"
    if free < disk_gb:
        mend = f"free space in {workspace}, give a workspace on another disk, or lower compute.disk_gb if less will do"
        return Finding("disk", "problem", text, mend)
    return Finding("disk", "ok", text)
