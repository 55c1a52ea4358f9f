"""Which processes of this machine belong to a lease.

Every process of a stage inherits two variables that name its lease and its output's folder, so it is found whatever
became of its parents. Linux: read from /proc.
"""

import os
import time
from pathlib import Path

LEASE = "VIBETHINKER_LEASE"
FOLDER = "VIBETHINKER_FOLDER"


def marked(variable: str, value: str) -> list[int]:
    """Ids of the other processes that were started with this environment variable at this value."""
    mark = f"{variable}={value}".encode()
    return [pid for pid in _processes() if mark in _environment(pid)]


def started(pid: int) -> int | None:
    """When a process started, in clock ticks after boot; None where there is none. With its id it names a process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except OSError:
        return None


def own_age() -> float:
    """Seconds since this process started."""
    ticks = started(os.getpid())
    assert ticks is not None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def place() -> str:
    """Names the machine's boot and process namespace: process ids of another place mean nothing here."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
