"""A stand-in for every stage: it writes what its arguments, inputs and code say, in milliseconds.

The project's own Snakefile, plan, runner and receipts work on it as on the real stages.
"""

import json
import os
import signal
from errno import ENOSPC
from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import atomic_path, write_text
from workflow_scripts.common.jobs import Job, digest

TROUBLE = Path("trouble.json")  # {"job": ..., "how": ...}: what is to happen once to a job
DONE = Path("done.txt")  # the names of the jobs that were really made, one per line


class Killed(BaseException):
    """Stands for SIGKILL where all runs in one process."""


def make_trouble(job: str, how: str, folder: Path = Path()) -> None:
    (folder / TROUBLE).write_text(json.dumps({"job": job, "how": how}))


def _meet_trouble(job: Job, moment: str) -> None:
    if not TROUBLE.is_file():
        return
    trouble = json.loads(TROUBLE.read_text())
    how, _, when = trouble["how"].partition(" ")
    if trouble["job"] != job.name or (when or "begin") != moment:
        return
    TROUBLE.unlink()
    if how == "error":
        raise StudyError("a fault of the input")
    if how == "bug":
        raise ZeroDivisionError("a fault of the code")
    if how == "disk":
        raise OSError(ENOSPC, os.strerror(ENOSPC), str(next(iter(job.outputs.values()))))
    if how == "killed":
        raise Killed
    if how == "wait":
        Path("waiting").touch()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        raise SystemExit(1)
    os.kill(os.getpid(), signal.Signals[how])


def run(job: Job) -> None:
    """Stands in for Job.run."""
    _meet_trouble(job, "begin")
    read = [Path(file).read_bytes().hex() for file in job.input_files]
    text = digest([job.identity, read])
    files = [*job.outputs.values(), *(f"{tree}/part" for tree in job.trees)]
    for number, file in enumerate(files):
        write_text(Path(file), f"{text} {Path(file).name}\n")
        if number == 0:
            _meet_trouble(job, "between")
    _meet_trouble(job, "end")
    with DONE.open("a") as done:
        done.write(f"{job.name}\n")


def install(project: Path) -> None:
    """Have a copy of the project run stand-ins."""
    jobs = project / "workflow_scripts/common/jobs.py"
    with atomic_path(jobs) as temporary:
        lines = "\n\nfrom tests.operate.stand_in import run as _run\n\nJob.run = _run\n"
        temporary.write_text(jobs.read_text() + lines)
