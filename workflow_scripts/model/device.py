"""The device that a model computes on: its name, and the peak memory of this process."""

import platform
import resource
import sys
from pathlib import Path

import torch


def device_name(device: str) -> str:
    """The name of the GPU if device is "cuda", otherwise the name of the processor."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    # On Linux, platform.processor() returns nothing or only the architecture.
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory_mib(device: str) -> float:
    """The peak memory of this process in MiB: allocated on the GPU, or resident on a CPU."""
    if device == "cuda":
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    # ru_maxrss is in bytes on macOS and in KiB on Linux.
    unit = 1 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
