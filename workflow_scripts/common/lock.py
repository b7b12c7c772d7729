"""Locks on folders: only one process at a time works on a results folder or on a training run.

The operating system releases a lock when the process that holds the lock ends, even if that process
is killed.
"""

import fcntl
import os
import re
import socket
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import psutil

from workflow_scripts.common.errors import StudyError

LOCK = ".lock"


def lock_folder(folder: Path) -> IO[str]:
    """Lock a folder until this process ends, or until the returned file is closed.

    Raises StudyError if another process holds the lock (the message names that process), if the
    folder cannot be written to, or if its file system has no locks.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise StudyError(
            f"{folder} cannot be written to ({(error.strerror or '').lower()}): make it writable, "
            "or work in a copy of the project"
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise StudyError(
            f"{folder} is in use by {holder}: wait until it has ended, or stop it"
        ) from None
    except OSError as error:
        file.close()
        raise StudyError(
            f"{folder} cannot be locked ({error.strerror}): put the project on a file system that "
            "has file locks (NFS 4, Lustre mounted with flock)"
        ) from None
    if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
        file.close()  # the lock's last holder removed the file after this process had opened it
        return lock_folder(folder)
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%F %T')}")
    file.flush()
    return file


def unlock_folder(file: IO[str]) -> None:
    """Release a lock and remove its lock file."""
    Path(file.name).unlink(missing_ok=True)
    file.close()


@dataclass(frozen=True)
class Holder:
    """The process that locked a folder: its number, its machine, and the time of the lock."""

    pid: int
    host: str
    since: datetime


def find_holder(folder: Path) -> Holder | None:
    """The process that holds the lock on a folder. The lock itself is not touched.

    None if nothing locked the folder, or if the process that did has ended. Whether a process on
    another machine has ended cannot be seen.
    """
    try:
        text = (folder / LOCK).read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.fullmatch(r"process (\d+) on (\S+) since (\S+ \S+)", text)
    if found is None:
        return None
    holder = Holder(int(found[1]), found[2], datetime.fromisoformat(found[3]))
    if holder.host != socket.gethostname():
        return holder
    try:
        began = psutil.Process(holder.pid).create_time()
    except psutil.Error:
        return None
    # A later process may have the number of one that ended. The lock's time has whole seconds.
    return holder if began < holder.since.timestamp() + 1 else None


def jobs_at_work(folder: Path) -> dict[int, str]:
    """The jobs that processes of this machine work on now, by process id.

    folder is ``results/<tier>``. Jobs of a killed snakemake process are included.
    """
    jobs = {}
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        plan = next((word for word in words if word.startswith(f"{folder}/plan/")), None)
        is_job = "workflow_scripts.operate.job" in words
        if plan and is_job and process.info["cwd"] == str(Path.cwd()):
            job = plan.removeprefix(f"{folder}/plan/").removesuffix(".json")
            jobs[process.info["pid"]] = job
    return jobs


def refuse_orphans(folder: Path) -> None:
    """Raise StudyError if jobs of a killed snakemake process still run on a results folder.

    folder is ``results/<tier>``. Such jobs and the jobs that start now would write the same files.
    """
    orphans = jobs_at_work(folder)
    if orphans:
        listed = ", ".join(f"{pid} ({job})" for pid, job in orphans.items())
        raise StudyError(
            f"jobs on {folder} outlived the snakemake that started them: process {listed}. Wait "
            f"until they have ended, or stop them: kill {' '.join(map(str, orphans))}"
        )
