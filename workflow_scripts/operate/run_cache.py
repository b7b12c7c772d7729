"""The run cache: what jobs made, by what it was made from, so that it need not be made twice.

    results/<tier>/run-cache/<job>/<key>/receipt.json and the job's files

A result is put there, as hard links, when its receipt is written. It comes back if the same is to
be made from the same contents: after a change was taken back, after a kill between a job's end and
Snakemake's notice of it, and where something above was made again and came out the same. Of every
job the newest results are kept.
"""

import os
import shutil
from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import atomic_path, sha256
from workflow_scripts.operate.receipts import Receipt, read_receipt, write_receipt

RUN_CACHE = "run-cache"
_RECEIPT, _FILES, _FORBIDDEN = "receipt.json", "files", "forbidden"
_KEPT = 2  # the result that is shown, and the one before it


def _folder(results: Path, job: str) -> Path:
    return results / RUN_CACHE / job


def _link(source: Path, target: Path) -> None:
    """Make a file appear at a second place: as a hard link, where the disk has them."""
    with atomic_path(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def add(results: Path, job: str, receipt: Receipt) -> None:
    """Keep the files of a job as its receipt has them."""
    folder = _folder(results, job) / receipt.key
    if read_receipt(folder / _RECEIPT, job) == receipt and _is_whole(folder, receipt):
        os.utime(folder)
        return
    shutil.rmtree(folder, ignore_errors=True)
    for file in receipt.outputs:
        _link(Path(file), folder / _FILES / file)
    write_receipt(folder / _RECEIPT, receipt)
    kept = [path.parent for path in folder.parent.glob(f"*/{_RECEIPT}")]
    for old in sorted(kept, key=lambda path: path.stat().st_mtime, reverse=True)[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def put_back(results: Path, job: str, key: str) -> Receipt | None:
    """Put a kept result back in its place and return its receipt.

    None if there is no such result, or if it was damaged, in which case it is dropped.
    """
    folder = _folder(results, job) / key
    receipt = read_receipt(folder / _RECEIPT, job)
    if (folder / _FORBIDDEN).is_file():
        return None
    if receipt is None or not _is_whole(folder, receipt):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    for file in receipt.outputs:
        _link(folder / _FILES / file, Path(file))
        os.utime(file)  # Snakemake takes an output that is older than its inputs for a fault
    os.utime(folder)  # the newest results are kept
    return receipt


def forbid(results: Path, job: str, key: str) -> None:
    """Have a result made again in this run of snakemake, instead of put back."""
    folder = _folder(results, job) / key
    if folder.is_dir():
        (folder / _FORBIDDEN).touch()


def allow_all(results: Path) -> None:
    """Have everything put back again that `forbid` had made anew."""
    for mark in (results / RUN_CACHE).rglob(_FORBIDDEN):
        mark.unlink()


def _is_whole(folder: Path, receipt: Receipt) -> bool:
    try:
        return all(sha256(folder / _FILES / file) == hash for file, hash in receipt.outputs.items())
    except StudyError:
        return False
