"""Atomic writes, hashes of files, and one-line errors about files.

A file of the project is either complete or not there.
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
    """Yield a temporary path. If the block ends without an error, that file moves to path.

    Temporary files that killed processes left beside path are removed.
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
    """Read a JSON file. Raises StudyError if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(path, error) from None


def damaged(path: Path, reason: object) -> StudyError:
    """The error for a file of the project that is missing, cut short or altered."""
    return StudyError(f"{path} cannot be read ({reason}): run snakemake again, which makes it anew")


@contextmanager
def full_disk(folder: Path, needed: int) -> Iterator[None]:
    """Raise Temporary for an error in the block if folder's disk has fewer free bytes than needed.

    Native code reports a full disk in many ways, or not as such.
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
    """The hash of a file's content. Raises StudyError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise damaged(path, error.strerror) from None


def sha256_tree(folder: Path) -> dict[str, str]:
    """The hash of every file below a folder, by its relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def find_difference(folder: Path, expected: dict[str, str]) -> tuple[str, bool] | None:
    """The first file below a folder whose hash is not the expected one, and whether it exists."""
    found = sha256_tree(folder)
    for name, digest in expected.items():
        if found.get(name) != digest:
            return name, name in found
    return None


def run_program(main: Callable[[], None]) -> None:
    """Run a command line. A StudyError or a full disk ends it with one line and status 1."""
    faulthandler.enable()  # without it, a crash in native code leaves an empty log
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
    """Whether an error says that a disk is full. safetensors says so in its own error class."""
    return getattr(error, "errno", None) == ENOSPC or os.strerror(ENOSPC) in str(error)
