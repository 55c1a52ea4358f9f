"""Which device, how many GPUs and how many threads a stage gets on this machine."""

import os
from pathlib import Path
from typing import Literal

from vibethinker.config.model import ComputeSettings, EngineSettings
from vibethinker.runs.finding import Finding
from vibethinker.runs.gpus import DRIVER_GPUS, VISIBLE, Gpu, visible_gpus
from vibethinker.runs.packages import installed

GPU_DRIVER = Path("/proc/driver/nvidia/version")
GPUS = DRIVER_GPUS


def chosen_device(compute: ComputeSettings) -> Literal["cpu", "cuda"]:
    """`auto` takes a GPU where its driver is and one can be seen."""
    gpu = compute.device == "cuda" or (compute.device == "auto" and GPU_DRIVER.exists() and bool(usable_gpus()))
    return "cuda" if gpu else "cpu"


def usable_gpus() -> tuple[Gpu, ...]:
    """Those of this machine that CUDA_VISIBLE_DEVICES leaves."""
    return visible_gpus(GPUS)


def stage_gpus(compute: ComputeSettings) -> int:
    """GPUs that a stage has to itself: as many as it is billed for, one a process if the profile doesn't say; 0 on a CPU."""
    return (compute.devices_per_stage or compute.processes) if chosen_device(compute) == "cuda" else 0


def stage_threads(compute: ComputeSettings, together: int) -> int:
    """CPU threads of a stage; `together`: how many nodes of its kind may run at once."""
    total = compute.threads or os.cpu_count() or 1
    return max(1, total // min(compute.parallel, together))


def billed_devices(compute: ComputeSettings, together: int) -> int:
    """Devices that a stage is billed for: the GPUs that it holds; on a CPU those the profile says, or its threads."""
    return stage_gpus(compute) or compute.devices_per_stage or stage_threads(compute, together)


def check_device(compute: ComputeSettings) -> Finding:
    """Whether the device that stages would be given can be used."""
    device, asked = chosen_device(compute), f"compute.device = {compute.device}"
    if device == "cuda" and not GPU_DRIVER.exists():
        text = f"{asked}, but this machine has no NVIDIA driver ({GPU_DRIVER})"
        return Finding("device", "problem", text, "set compute.device=cpu, or run on a machine with a GPU")
    if device == "cuda" and _torch_for_cpu():
        text = f"{asked} and there is a GPU, but the installed torch is a build for CPUs"
        return Finding("device", "problem", text, "install torch's build for CUDA, or set compute.device=cpu")
    if device == "cuda" and (found := _check_gpus(compute)) is not None:
        return found
    each = f", {stage_gpus(compute)} of {len(usable_gpus())} GPUs a stage" if device == "cuda" else ""
    return Finding("device", "ok", f"{device}{each}, in {compute.precision} ({asked})")


def _check_gpus(compute: ComputeSettings) -> Finding | None:
    """More asked for than can be seen, or processes without a GPU of their own."""
    gpus, each = len(usable_gpus()), compute.devices_per_stage
    seen = (
        f"{gpus} GPUs can be seen (CUDA_VISIBLE_DEVICES)" if VISIBLE in os.environ else f"this machine has {gpus} GPUs"
    )
    if gpus == 0:
        text, mend = f"compute.device = {compute.device}, but {seen}", "set compute.device=cpu, or let a GPU be seen"
    elif compute.processes > gpus:
        text = f"compute.processes = {compute.processes}, but {seen}"
        mend = f"set compute.processes={gpus}, or run on a machine with more"
    elif each > gpus:
        text = f"compute.devices_per_stage = {each}, but {seen}"
        mend = f"set compute.devices_per_stage={gpus}, or run on a machine with more"
    elif 0 < each < compute.processes:
        text = f"compute.processes = {compute.processes}, but a stage holds compute.devices_per_stage = {each} GPUs"
        mend = f"set compute.devices_per_stage={compute.processes}: each process needs a GPU of its own"
    else:
        return None
    return Finding("device", "problem", text, mend)


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
