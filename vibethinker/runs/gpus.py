"""The GPUs that this process may use, each by the name that every process of the machine knows it by."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
DRIVER_GPUS = Path("/proc/driver/nvidia/gpus")
"""A folder for each, named by its place on the PCI bus."""
_UUID = re.compile(r"^GPU UUID:\s*(GPU-[0-9a-fA-F-]+)\s*$", re.MULTILINE)
_FILE_SAFE = re.compile(r"[^A-Za-z0-9.-]")


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one MIG part of it."""

    entry: str
    """As CUDA_VISIBLE_DEVICES names it: a number, or a UUID."""
    identity: str
    """The same in every container and for every way to name it: its place on the PCI bus; of a MIG part its own name."""
    uuid: str = ""
    """Where the driver tells it: it does not before the GPU is first used."""


def machine_gpus(folder: Path = DRIVER_GPUS) -> tuple[Gpu, ...]:
    """All that the driver shows, in the order of the PCI bus."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return tuple(Gpu(str(number), _FILE_SAFE.sub("_", path.name), _uuid(path)) for number, path in enumerate(found))


def visible_gpus(folder: Path = DRIVER_GPUS, environment: Mapping[str, str] | None = None) -> tuple[Gpu, ...]:
    """Those of the machine that CUDA_VISIBLE_DEVICES leaves, in its order; as in CUDA, the first wrong entry ends it."""
    there = machine_gpus(folder)
    listed = (os.environ if environment is None else environment).get(VISIBLE)
    if listed is None:
        return there
    found: dict[str, Gpu] = {}
    for entry in listed.split(","):
        gpu = _named(entry.strip(), there)
        if gpu is None or gpu.identity in found:
            break
        found[gpu.identity] = gpu
    return tuple(found.values())


def restricted_to(gpus: tuple[Gpu, ...], environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of a process that may use just these: numbers count along the PCI bus, as they do here, unless the user says else."""
    order = environment.get(ORDER, "PCI_BUS_ID")
    return {VISIBLE: ",".join(gpu.entry for gpu in gpus), ORDER: order} if gpus else {}


def _uuid(gpu: Path) -> str:
    try:
        match = _UUID.search((gpu / "information").read_text())
    except OSError:
        return ""
    return match.group(1) if match else ""


def _named(entry: str, there: tuple[Gpu, ...]) -> Gpu | None:
    """A number's or a UUID's GPU; a UUID may be cut short, as CUDA allows; a MIG part is known by its own name."""
    if entry.isdecimal():
        return there[int(entry)] if int(entry) < len(there) else None
    if entry.startswith("MIG-"):
        return Gpu(entry, _FILE_SAFE.sub("_", entry))
    matching = [gpu for gpu in there if entry.startswith("GPU-") and gpu.uuid.startswith(entry)]
    return Gpu(entry, matching[0].identity, matching[0].uuid) if len(matching) == 1 else None
