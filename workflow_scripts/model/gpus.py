"""One GPU per process, for processes that run at the same time without a scheduler."""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.lock import lock_folder

_DRIVER = Path("/proc/driver/nvidia/gpus")  # one entry per GPU; CUDA calls would initialize CUDA
_POLL_SECONDS = 5.0
_claimed: list[IO[str]] = []  # lock files, kept open until the process ends


def visible_gpus() -> list[str]:
    """The names of the GPUs that this process may use, in the form of CUDA_VISIBLE_DEVICES.

    If that variable is not set, the names are the indices of all GPUs.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return [str(index) for index in range(len(list(_DRIVER.glob("*"))))]


def claim_gpu() -> None:
    """Claim a free GPU until this process ends. Waits while no GPU is free.

    Must be called before CUDA is initialized, because CUDA_VISIBLE_DEVICES is set here. A single
    GPU assigned by SLURM is used without a claim: no other job has the same GPU, even if another
    job's GPU has the same name.
    """
    gpus = visible_gpus()
    given = len(gpus) == 1 and "SLURM_JOB_ID" in os.environ
    if not gpus or given or _claimed:
        return
    folder = Path(tempfile.gettempdir(), f"select-and-improve-gpus-{os.getuid()}")
    told = False
    while True:
        for gpu in gpus:
            try:
                _claimed.append(lock_folder(folder / gpu))
            except StudyError:
                continue
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
            return
        if not told:
            print(f"waiting for a free GPU of {', '.join(gpus)}", file=sys.stderr, flush=True)
            told = True
        time.sleep(_POLL_SECONDS)
