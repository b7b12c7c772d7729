"""The run cache keeps the results of jobs, so that no job makes the same result twice.

    results/<tier>/run-cache/<job>/<key>/receipt.json and files/, with the job's files

The key is a hash of the job's identity and of its inputs. A job's files are added as hard links
before its receipt is written. A result is put back when a job with the same key must run again.
This happens after the user undoes a change, after a kill between the end of a job and Snakemake's
notice of the end, and after an input was made again with the same content. Of every job, the two
newest results are kept.
"""

import os
import shutil
from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import atomic_path, sha256
from workflow_scripts.operate.receipts import Receipt, read_receipt, write_receipt

RUN_CACHE = "run-cache"
_RECEIPT, _FILES, _FORBIDDEN = "receipt.json", "files", "forbidden"
_KEPT = 2  # results of each job: the present one and the previous one


def _folder(results: Path, job: str) -> Path:
    return results / RUN_CACHE / job


def _link(source: Path, target: Path) -> None:
    """Put a file at a second path: as a hard link, or as a copy if the paths are on two disks."""
    with atomic_path(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def add(results: Path, job: str, receipt: Receipt) -> None:
    """Keep the files of a job. Their hashes must be those of the receipt."""
    folder = _folder(results, job) / receipt.key
    is_known = read_receipt(folder / _RECEIPT, job) == receipt
    if not is_known:
        shutil.rmtree(folder, ignore_errors=True)
    for file, hash in receipt.outputs.items():
        kept = folder / _FILES / file
        if not _is_hard_link(kept, Path(file)) and not _has_hash(kept, hash):
            _link(Path(file), kept)
    if is_known:
        os.utime(folder)  # the age of the folder decides which results are kept
        return
    write_receipt(folder / _RECEIPT, receipt)
    results_of_job = [path.parent for path in folder.parent.glob(f"*/{_RECEIPT}")]
    for old in sorted(results_of_job, key=lambda path: path.stat().st_mtime, reverse=True)[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def put_back(results: Path, job: str, key: str) -> Receipt | None:
    """Put a kept result back at the output paths of its job, and return its receipt.

    Returns None if there is no such result, if `forbid` was called for it, or if it is damaged. A
    damaged result is removed.
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
        os.utime(file)  # Snakemake treats a job as failed if its output is older than its inputs
    os.utime(folder)  # the age of the folder decides which results are kept
    return receipt


def forbid(results: Path, job: str, key: str) -> None:
    """Forbid putting back a result in this run of snakemake: the user wants the job to run."""
    folder = _folder(results, job) / key
    if folder.is_dir():
        (folder / _FORBIDDEN).touch()


def allow_all(results: Path) -> None:
    """Undo every call of `forbid` in earlier runs of snakemake."""
    for mark in (results / RUN_CACHE).rglob(_FORBIDDEN):
        mark.unlink()


def _is_whole(folder: Path, receipt: Receipt) -> bool:
    """Whether all files of a kept result have the hashes of its receipt."""
    return all(_has_hash(folder / _FILES / file, hash) for file, hash in receipt.outputs.items())


def _has_hash(file: Path, hash: str) -> bool:
    try:
        return sha256(file) == hash
    except StudyError:
        return False


def _is_hard_link(file: Path, other: Path) -> bool:
    """Whether two paths lead to the same file. If so, their contents need not be compared."""
    return file.exists() and file.samefile(other)
