"""Processes side by side on one machine take different GPUs."""

import os
import subprocess
import sys
import time
from pathlib import Path


def test_gpus_are_told_apart_without_a_scheduler(tmp_path):
    program = (
        "import os, time; from workflow_scripts.model.gpus import claim_gpu; claim_gpu();"
        "print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); time.sleep(3)"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "0,1", "TMPDIR": str(tmp_path)}
    started = time.monotonic()
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[2],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    told = [job.communicate(timeout=60) for job in jobs]
    claimed = [out.strip() for out, _ in told]
    assert sorted(set(claimed)) == ["0", "1"], "each GPU is used"
    assert sum("waiting for a free GPU of 0, 1" in error for _, error in told) == 1
    assert time.monotonic() - started > 6, "the third waited for the first to end"
