"""Which device and how many threads a stage gets on this machine."""

import os
from pathlib import Path
from typing import Literal

from vibethinker.config.model import ComputeSettings, EngineSettings
from vibethinker.runs.finding import Finding
from vibethinker.runs.packages import installed

GPU_DRIVER = Path("/proc/driver/nvidia/version")
GPUS = Path("/proc/driver/nvidia/gpus")
"""A folder for each."""


def chosen_device(compute: ComputeSettings) -> Literal["cpu", "cuda"]:
    """`auto` takes a GPU where its driver is."""
    gpu = compute.device == "cuda" or (compute.device == "auto" and GPU_DRIVER.exists())
    return "cuda" if gpu else "cpu"


def stage_threads(compute: ComputeSettings, together: int) -> int:
    """CPU threads of a stage; `together`: how many nodes of its kind may run at once."""
    total = compute.threads or os.cpu_count() or 1
    return max(1, total // min(compute.parallel, together))


def billed_devices(compute: ComputeSettings, together: int) -> int:
    """Devices that a stage is billed for: those the profile says, or its threads."""
    return compute.devices_per_stage or stage_threads(compute, together)


def check_device(compute: ComputeSettings) -> Finding:
    """Whether the device that stages would be given can be used."""
    device, asked = chosen_device(compute), f"compute.device = {compute.device}"
    if device == "cuda" and not GPU_DRIVER.exists():
        text = f"{asked}, but this machine has no NVIDIA driver ({GPU_DRIVER})"
        return Finding("device", "problem", text, "set compute.device=cpu, or run on a machine with a GPU")
    if device == "cuda" and _torch_for_cpu():
        text = f"{asked} and there is a GPU, but the installed torch is a build for CPUs"
        return Finding("device", "problem", text, "install torch's build for CUDA, or set compute.device=cpu")
    if device == "cuda" and compute.processes > (gpus := len(list(GPUS.glob("*")))):
        text = f"compute.processes = {compute.processes}, but this machine has {gpus} GPUs"
        return Finding(
            "device", "problem", text, f"set compute.processes={max(1, gpus)}, or run on a machine with more"
        )
    return Finding("device", "ok", f"{device}, in {compute.precision} ({asked})")


def check_engine(engine: EngineSettings) -> Finding:
    """Whether what is to generate is installed."""
    if engine.kind == "transformers":
        return Finding("engine", "ok", "transformers generates")
    found = installed("vllm")
    if found is None:
        text = f"compute.engine.kind = {engine.kind}, but vLLM is not installed"
        return Finding(
            "engine", "problem", text, "install it (docs/rollouts.md), or set compute.engine.kind=transformers"
        )
    return Finding("engine", "ok", f"vLLM {found} generates, with {engine.kv_cache_gb:g} GB of key/value cache")


def check_threads(compute: ComputeSettings) -> Finding:
    """Cores against the threads asked for."""
    cores = os.cpu_count() or 1
    alone, shared = stage_threads(compute, 1), stage_threads(compute, compute.parallel)
    text = f"{cores}; threads of a stage that runs alone: {alone}, of {compute.parallel} at once: {shared} each"
    if max(alone, shared * compute.parallel) > cores:
        mend = "lower compute.threads or compute.parallel: threads without a core make a stage slower"
        return Finding("cores", "warning", text, mend)
    return Finding("cores", "ok", text)


def _torch_for_cpu() -> bool:
    return (installed("torch") or "").endswith("+cpu")
