"""The scratch folders of training runs, and what is left in them that nothing will continue.

    python -m workflow_scripts.scratch --help

A scratch folder lies below its run's and is named by all that decides the run's result, which is
written in it. Once the run has ended it holds copies of the outputs, until snakemake has learnt
that they are finished. One whose settings, code or inputs have changed since stays until it is
cleaned away.
"""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

from workflow_scripts.files import StudyError, read_json, run_stage, sha256
from workflow_scripts.lock import lock_folder, unlock_folder
from workflow_scripts.records import RECORDS, find_records

SCRATCH, IDENTITY, FINISHED = "scratch", "identity.json", "finished"


def digest(defining: dict) -> str:
    """A hash of what defines something."""
    return hashlib.sha256(json.dumps(defining, sort_keys=True).encode()).hexdigest()[:16]


def planned_digest(stage: str, settings: dict, seed: int, code_hash: str) -> str:
    """A hash of what the configuration knows of a run, before its inputs are there."""
    return digest({"stage": stage, "settings": settings, "seed": seed, "code_hash": code_hash})


def _unrecorded(files: list[Path]) -> list[Path]:
    """Those of which snakemake has no record, or one of an earlier file in their place.

    A job on a cluster that outlives its snakemake leaves outputs that are taken for whole, but no
    parameters or inputs with them: later changes of those would go unnoticed.
    """
    records = find_records(RECORDS) if files else {}

    def is_recorded(file: Path) -> bool:
        record = records.get(str(file))
        return record is not None and record.stat().st_mtime >= file.stat().st_mtime

    return [file for file in files if file.is_file() and not is_recorded(file)]


def _finished_runs(results: Path) -> list[Path]:
    """The records of the runs that keep copies of their outputs, there or not."""
    return [
        finished.parents[2] / "run.json" for finished in results.glob(f"*/*/{SCRATCH}/*/{FINISHED}")
    ]


def forget_finished(results: Path) -> None:
    """Remove the scratch folders of the finished runs that snakemake has recorded."""
    runs = _finished_runs(results)
    unrecorded = _unrecorded(runs)
    for run in runs:
        if run.is_file() and run not in unrecorded:
            shutil.rmtree(run.parent / SCRATCH, ignore_errors=True)


def reopen_unrecorded(results: Path) -> None:
    """Have finished runs that are not recorded run again, which puts their outputs back."""
    for run in _unrecorded(_finished_runs(results)):
        run.unlink()


def remove_unrecorded_rollouts(results: Path) -> None:
    """Remove the rollouts that jobs of a killed snakemake left, if snakemake never learnt of them.

    Call it before its lock is removed: what is older than that is none of their work.
    """
    locks = [lock.stat().st_mtime for lock in Path(".snakemake/locks").glob("*.lock")]
    rollouts = list(results.glob("rollouts/*/*.parquet"))
    for file in _unrecorded(rollouts):
        if locks and file.stat().st_mtime >= min(locks):
            print(f"{file} has no record of its settings: sampled again", file=sys.stderr)
            file.unlink()


def _is_needed(scratch: Path, planned: str | None) -> bool:
    """Whether a run that is planned would go on from what is in a scratch folder."""
    try:
        identity = read_json(scratch / IDENTITY)
        known = (identity[key] for key in ("stage", "settings", "seed", "code_hash"))
        if planned_digest(*known) != planned:
            return False
        return all(sha256(Path(path)) == hash for path, hash in identity["inputs"].items())
    except (StudyError, KeyError):
        return False


def clean(results: Path, planned: dict[str, str]) -> list[Path]:
    """Remove the scratch folders below results that no planned run needs, and return them.

    planned has the planned_digest of each run by its folder. A run at work keeps its own.
    """
    removed = []
    for folder in sorted(results.glob(f"*/*/{SCRATCH}")):
        try:
            lock = lock_folder(folder.parent)
        except StudyError:
            continue
        run = folder.parent.as_posix()
        for scratch in sorted(path for path in folder.iterdir() if path.is_dir()):
            if not _is_needed(scratch, planned.get(run)):
                shutil.rmtree(scratch)
                removed.append(scratch)
        unlock_folder(lock)
    return removed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="folder of a tier's results")
    parser.add_argument(
        "--planned", type=json.loads, required=True, help="digests of runs by folder, as JSON"
    )
    removed = clean(**vars(parser.parse_args()))
    for scratch in removed:
        print(f"removed {scratch}")
    print(f"{len(removed)} scratch folders removed")


if __name__ == "__main__":
    run_stage(main)
