"""The scratch folders of training runs, and the removal of folders that no run will use again.

A scratch folder holds the checkpoints of a run, below the run's folder. Its name is a hash of
everything that determines the run's result (settings, seed, code, inputs, packages), as listed in
the folder's identity.json. A finished run's scratch folder is removed. If settings, code or inputs
of an unfinished run change, the old scratch folder stays until `snakemake clean_scratch`.
"""

import shutil
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, sha256
from workflow_scripts.common.jobs import digest, run_stage
from workflow_scripts.common.lock import lock_folder, unlock_folder
from workflow_scripts.train.run_folder import SCRATCH

IDENTITY = "identity.json"


def planned_digest(stage: str, settings: dict[str, Any], seed: int, code_hash: str) -> str:
    """A hash of the properties of a run that are known before its input files exist.

    settings has the form of the settings in run.json.
    """
    return digest({"stage": stage, "settings": settings, "seed": seed, "code_hash": code_hash})


def _is_needed(scratch: Path, planned: str | None) -> bool:
    """Whether a planned run would resume from a scratch folder.

    planned is the planned_digest of the run in the same folder, None if no such run is planned.
    """
    try:
        identity = read_json(scratch / IDENTITY)
        known = (identity[key] for key in ("stage", "settings", "seed", "code_hash"))
        if planned_digest(*known) != planned:
            return False
        return all(sha256(Path(path)) == hash for path, hash in identity["inputs"].items())
    except (StudyError, KeyError):
        return False


def remove_unneeded(results: Path, planned: dict[str, str]) -> list[Path]:
    """Remove and return the scratch folders below results that no planned run would resume from.

    planned maps the folder of each run to its planned_digest. A run that is in progress (its folder
    is locked) keeps all its scratch folders.
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


def clean(results: Path, planned: dict[str, str]) -> None:
    """Remove the scratch folders that no planned run would resume from, and print their paths."""
    removed = remove_unneeded(results, planned)
    for scratch in removed:
        print(f"removed {scratch}")
    print(f"{len(removed)} scratch folders removed")


if __name__ == "__main__":
    run_stage(__doc__)
