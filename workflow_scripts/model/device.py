"""The device that a model computes on: its setup, its name, the peak memory of this process."""

import platform
import resource
import sys
from pathlib import Path

import torch

from workflow_scripts.common.errors import StudyError
from workflow_scripts.model.gpus import claim_gpu
from workflow_scripts.settings.model import Compute


def prepare_torch(compute: Compute) -> None:
    """Set torch's number of threads, and claim a GPU if compute.device is "cuda".

    Raises StudyError if compute.device is "cuda" and no GPU is visible, or if it is "mps" and torch
    cannot use the GPU of an Apple computer.
    """
    torch.set_num_threads(compute.threads)
    if compute.device == "cuda":
        claim_gpu()
        if not torch.cuda.is_available():
            raise StudyError(
                "model.device is cuda and no GPU is visible: run on one, or set it to cpu"
            )
        # LoRA adapters are float32 even in a bfloat16 model. Without TF32, computing the adapters
        # would take longer than computing the model.
        torch.set_float32_matmul_precision("high")
    if compute.device == "mps" and not torch.backends.mps.is_available():
        raise StudyError(
            "model.device is mps and torch finds no GPU of an Apple computer (it needs Apple "
            "silicon and macOS 14 or newer): set it to cpu"
        )


def device_name(device: str) -> str:
    """The name of the GPU, or of the processor if device is "cpu"."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    if device == "mps":
        return f"GPU of an Apple computer ({platform.machine()})"
    # On Linux, platform.processor() returns nothing or only the architecture.
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory_mib(device: str) -> float:
    """The peak memory of this process in MiB: allocated on the GPU, or resident on a CPU.

    Torch counts no peak on the GPU of an Apple computer: there it is what the GPU holds now.
    """
    if device == "cuda":
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    if device == "mps":
        return round(torch.mps.driver_allocated_memory() / 2**20, 1)
    # ru_maxrss is in bytes on macOS and in KiB on Linux.
    unit = 1 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
