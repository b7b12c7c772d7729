"""The device that a model is at work on: its name, and the most memory that it took."""

import platform
import resource
import sys
from pathlib import Path

import torch


def device_name(device: str) -> str:
    """The name of the GPU or of the processor."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")  # on Linux, platform.processor() is empty or the architecture
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory_mib(device: str) -> float:
    """The most memory that this process had in use: allocated on the GPU, else resident."""
    if device == "cuda":
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    unit = 1 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
