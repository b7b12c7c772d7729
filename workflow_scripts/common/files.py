"""Files that are whole or not there: atomic writes, hashes, and one-line errors."""

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
    """Yield a temporary path beside path, which replaces it if the block ends without an error.

    What processes that were killed left of earlier attempts at the same file is removed.
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
    """Write a text file, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write a JSON file, whole or not at all."""
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
    """Raise Temporary for an error in the block while folder's disk has not the bytes needed.

    Writers of native code tell a full disk in many ways, or not at all.
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
    """The first file below a folder that has not its expected hash, and whether it is there."""
    found = sha256_tree(folder)
    for name, digest in expected.items():
        if found.get(name) != digest:
            return name, name in found
    return None


def run_program(main: Callable[[], None]) -> None:
    """Run a command line; a StudyError or full disk is one line and status 1."""
    faulthandler.enable()  # a crash in native code would leave an empty log
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
    """Whether an error says that a disk is full, which safetensors does in one of its own."""
    return getattr(error, "errno", None) == ENOSPC or os.strerror(ENOSPC) in str(error)
