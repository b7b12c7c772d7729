"""One process at a time: on a folder of results, and on a training run.

The operating system gives a lock back when its process ends, however it ends.
"""

import fcntl
import os
import re
import shlex
import socket
import sys
import time
from pathlib import Path
from typing import IO

import psutil

from workflow_scripts.files import StudyError

LOCK = ".lock"
# Options of snakemake with which no job starts; -n also stands among other letters, as in -np.
_READING = {"--dry-run", "--dryrun", "--list", "--list-target-rules", "--summary", "--lint"}
_READING |= {"-l", "-S", "-D", "--detailed-summary", "--dag", "--rulegraph", "--filegraph"}
_DRY_RUN = re.compile("-[npqrF]*n[npqrF]*")


def lock_folder(folder: Path) -> IO[str]:
    """Lock a folder until this process ends, or the file returned is closed.

    Raises StudyError, naming the process that has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    file = path.open("a+")
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
        file.close()  # who had it removed it after this process had opened it
        return lock_folder(folder)
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%F %T')}")
    file.flush()
    return file


def unlock_folder(file: IO[str]) -> None:
    """Give a lock back and leave nothing of it."""
    Path(file.name).unlink(missing_ok=True)
    file.close()


def only_reads(arguments: list[str]) -> bool:
    """Whether a command line of snakemake starts no job."""
    return any(word in _READING or _DRY_RUN.fullmatch(word) for word in arguments)


def refuse_orphans(folder: Path) -> None:
    """Raise StudyError if jobs on a folder of results outlived the snakemake that started them.

    What they write would be taken for the work of the jobs that are started now.
    """
    orphans = {}
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        stage = next((word for word in words if word.startswith("workflow_scripts.")), None)
        below = any(word.startswith(f"{folder}/") for word in words)
        if stage and below and process.info["cwd"] == str(Path.cwd()):
            orphans[process.info["pid"]] = stage
    if orphans:
        listed = ", ".join(f"{pid} ({stage})" for pid, stage in orphans.items())
        raise StudyError(
            f"jobs on {folder} outlived the snakemake that started them: process {listed}. Wait "
            f"until they have ended, or stop them: kill {' '.join(map(str, orphans))}"
        )


def explain_leftover(folders: tuple[str, ...], arguments: list[str]) -> None:
    """Raise StudyError if a snakemake that was killed left its own lock on files of folders.

    Call it with the folders locked: then no other process is at work on them.
    """
    prefixes = tuple(f"{folder}/" for folder in folders)
    for lock in Path(".snakemake/locks").glob("*.lock"):
        try:
            locked = lock.read_text().splitlines()
        except FileNotFoundError:  # of a snakemake on another tier, which has just ended
            continue
        if any(line.startswith(prefixes) for line in locked):
            program = os.path.relpath(Path(sys.executable).with_name("snakemake"))
            command = shlex.join([program, *arguments])
            raise StudyError(
                f"the last run on {folders[0]} was killed and left its lock; nothing is lost. Go "
                f"on with: {command} --unlock && {command}"
            )
