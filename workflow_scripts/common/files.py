"""Atomic writes, hashes of files, and one-line errors about files.

A file written by these functions is either complete or absent.
"""

import faulthandler
import glob
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import StudyError, Temporary


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path, and rename its file to path if the block ends without an error.

    If the block raises an error, the temporary file is removed. Temporary files for the same path
    that killed processes have left are removed as well.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.[0-9]*.tmp"):
        leftover.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises StudyError if the file is missing or not valid JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(path, error) from None


def damaged(path: Path, reason: object) -> StudyError:
    """The error for a project file that is missing, cut short or altered; reason says which."""
    return StudyError(f"{path} cannot be read ({reason}): run snakemake again, which makes it anew")


@contextmanager
def full_disk(folder: Path, needed: int) -> Iterator[None]:
    """Turn an error in the block into Temporary if folder's disk has fewer than needed bytes free.

    Native code reports a full disk by many different errors, so the free space is checked instead
    of the error's type. If enough space is free, the original error is raised.
    """
    try:
        yield
    except Exception as error:
        free = shutil.disk_usage(folder).free
        if free >= needed:
            raise
        raise Temporary(
            f"no space left on the disk of {folder}: {needed / 1e6:.0f} MB are needed and "
            f"{free / 1e6:.0f} MB free ({error}): free some and run again"
        ) from error


def sha256(path: Path) -> str:
    """The hexadecimal SHA-256 hash of a file. Raises StudyError if the file cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise damaged(path, error.strerror) from None


def sha256_tree(folder: Path) -> dict[str, str]:
    """The SHA-256 hash of every file in a folder and its subfolders, keyed by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def find_difference(folder: Path, expected: dict[str, str]) -> tuple[str, bool] | None:
    """Compare a folder's files with expected hashes, keyed by relative path.

    Returns the first path whose hash differs and whether its file exists, or None if all hashes
    agree. Files that expected does not name are ignored.
    """
    found = sha256_tree(folder)
    for name, digest in expected.items():
        if found.get(name) != digest:
            return name, name in found
    return None


def run_program(main: Callable[[], None]) -> None:
    """Run a program's main function.

    StudyError or a full disk ends the program with a one-line message and status 1. All other
    errors keep their traceback.
    """
    faulthandler.enable()  # print a traceback when native code crashes; the log is empty otherwise
    try:
        main()
    except StudyError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        if not is_full_disk(error):
            raise
        where = getattr(error, "filename", None) or Path.cwd()
        sys.exit(f"error: no space left on the disk of {where}: free some and run again")


def is_full_disk(error: Exception) -> bool:
    """Whether an error reports a full disk.

    The message is searched too, because safetensors raises an error class without errno.
    """
    return getattr(error, "errno", None) == ENOSPC or os.strerror(ENOSPC) in str(error)
