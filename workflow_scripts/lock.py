"""One process at a time: on a folder of results, and on a training run.

The operating system gives a lock back when its process ends, however it ends.
"""

import fcntl
import os
import re
import shlex
import socket
import time
from pathlib import Path
from typing import IO

from workflow_scripts.files import StudyError

_LOCK = ".lock"
# Options of snakemake with which no job starts; -n also stands among other letters, as in -np.
_READING = {"--dry-run", "--dryrun", "--list", "-l", "--list-target-rules", "--summary", "--lint"}
_DRY_RUN = re.compile("-[npqrF]*n[npqrF]*")


def lock_folder(folder: Path) -> IO[str]:
    """Lock a folder until this process ends, or the file returned is closed.

    Raises StudyError, naming the process that has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / _LOCK).open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise StudyError(
            f"{folder} is in use by {holder}: wait until it has ended, or stop it"
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%F %T')}")
    file.flush()
    return file


def only_reads(arguments: list[str]) -> bool:
    """Whether a command line of snakemake starts no job."""
    return any(word in _READING or _DRY_RUN.fullmatch(word) for word in arguments)


def explain_leftover(folders: tuple[str, ...], arguments: list[str]) -> None:
    """Raise StudyError if a snakemake that was killed left its own lock on files of folders.

    Call it with the folders locked: then no other process is at work on them.
    """
    locks = Path(".snakemake/locks").glob("*.lock")
    prefixes = tuple(f"{folder}/" for folder in folders)
    locked = (line for lock in locks for line in lock.read_text().splitlines())
    if any(line.startswith(prefixes) for line in locked):
        command = shlex.join(["snakemake", *arguments])
        raise StudyError(
            f"the last run on {folders[0]} was killed and left its lock; nothing is lost. Go on "
            f"with: {command} --unlock && {command}"
        )
