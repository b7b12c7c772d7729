"""The errors of the jobs that failed in the last run of snakemake, one file per job."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from workflow_scripts.common.files import read_json, write_json

FAILED = "failed"


@dataclass(frozen=True)
class Failure:
    """The error of a job. is_final means that a retry of the job would fail in the same way."""

    error: str
    is_final: bool


def read_failure(results: Path, job: str) -> Failure | None:
    """The failure of a job in the last run, or None if the job did not fail."""
    path = _path(results, job)
    return Failure(**read_json(path)) if path.is_file() else None


def write_failure(results: Path, job: str, failure: Failure) -> None:
    """Write the failure of a job to its file."""
    write_json(_path(results, job), asdict(failure))


def forget_failure(results: Path, job: str) -> None:
    """Remove the failure of a job, because a retry succeeded."""
    _path(results, job).unlink(missing_ok=True)


def forget_all_failures(results: Path) -> None:
    """Remove the failures of an earlier run."""
    shutil.rmtree(results / FAILED, ignore_errors=True)


def _path(results: Path, job: str) -> Path:
    return results / FAILED / f"{job}.json"
