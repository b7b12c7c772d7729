"""Processes side by side on one machine take different GPUs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.parametrize(("visible", "n_jobs"), [("0,1", 3), ("0", 2)])
def test_gpus_are_told_apart_without_a_scheduler(tmp_path, visible, n_jobs):
    program = (
        "import os, time; from workflow_scripts.model.gpus import claim_gpu; claim_gpu();"
        "print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); time.sleep(3)"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": visible, "TMPDIR": str(tmp_path)}
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
        for _ in range(n_jobs)
    ]
    told = [job.communicate(timeout=60) for job in jobs]
    claimed = [out.strip() for out, _ in told]
    assert sorted(set(claimed)) == visible.split(","), "each GPU is used"
    waiting = f"waiting for a free GPU of {', '.join(visible.split(','))}"
    assert sum(waiting in error for _, error in told) == 1
    assert time.monotonic() - started > 6, "the last waited for the first to end"
