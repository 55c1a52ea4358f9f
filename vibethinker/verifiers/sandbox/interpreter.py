"""The interpreter as the sandbox sees it: its executable, its standard library and the shared libraries they load."""

import os
import re
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

# Extension modules that bring libraries of their own; others need the C library only.
_EXTENSIONS = ("math", "zlib", "_bz2", "_lzma", "_ctypes", "_hashlib", "_decimal", "_uuid", "pyexpat")


def executable() -> str:
    """The base interpreter, outside any virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


@lru_cache(maxsize=1)
def bind_arguments() -> tuple[str, ...]:
    """Arguments for bwrap that show the interpreter, read-only, and hide its site-packages.

    Raises OSError or subprocess.CalledProcessError where the shared libraries cannot be listed.
    """
    standard = os.path.dirname(os.__file__)
    # Not sysconfig's DESTSHARED: it is where the interpreter was built, which need not be where it lies.
    beside = os.path.join(standard, "lib-dynload")
    dynamic = next((path for path in sys.path if path.endswith("lib-dynload") and os.path.isdir(path)), beside)
    folders = [standard] if dynamic.startswith(standard + os.sep) or not os.path.isdir(dynamic) else [standard, dynamic]
    extensions = [str(path) for name in _EXTENSIONS for path in sorted(Path(dynamic).glob(f"{name}.*.so"))]
    arguments = []
    for path in [executable(), *folders, *_shared_libraries([executable(), *extensions])]:
        arguments += ["--ro-bind", path, path]
    for hidden in (os.path.join(standard, name) for name in ("site-packages", "dist-packages")):
        if os.path.isdir(hidden):
            arguments += ["--size", "4096", "--tmpfs", hidden, "--remount-ro", hidden]
    return tuple(arguments)


@lru_cache(maxsize=1)
def library_path() -> str:
    """LD_LIBRARY_PATH inside: the sandbox has no loader cache, and some interpreters rely on one."""
    binds = bind_arguments()
    libraries = [path for path in binds[2::3] if re.search(r"\.so(\.|$)", path)]
    return ":".join(dict.fromkeys(os.path.dirname(path) for path in libraries))


def _shared_libraries(files: list[str]) -> list[str]:
    """Paths, as the loader looks for them, of everything that these trusted files load."""
    ldd = shutil.which("ldd")
    if ldd is None:
        raise FileNotFoundError("ldd, which lists the interpreter's shared libraries, is not on PATH")
    listing = subprocess.run([ldd, *files], capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", listing, flags=re.MULTILINE)
    return sorted(set(found))
