"""One GPU for each process, where several run side by side and no scheduler deals them out."""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.lock import lock_folder

_DRIVER = Path("/proc/driver/nvidia/gpus")  # one entry for each GPU; asking CUDA would start it
_POLL_SECONDS = 5.0
_claimed: list[IO[str]] = []  # locks, held until the process ends


def visible_gpus() -> list[str]:
    """The names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES has them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return [str(index) for index in range(len(list(_DRIVER.glob("*"))))]


def claim_gpu() -> None:
    """Take a free GPU for this process, for as long as it runs; wait until there is one.

    Call it before CUDA starts. A single one that SLURM gave is nobody else's, whatever its name.
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
