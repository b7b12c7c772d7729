"""The scratch folders of training runs, and what is left in them that nothing will continue.

A scratch folder lies in the folder of its run. Its name is a hash of all that decides the run's
result, which is also written in it. It is removed when the run is done; one whose settings, code or
inputs have changed since stays until `snakemake clean_scratch`.
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
    """A hash of what the configuration knows of a run, before its inputs are there.

    settings are as in run.json.
    """
    return digest({"stage": stage, "settings": settings, "seed": seed, "code_hash": code_hash})


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


def remove_unneeded(results: Path, planned: dict[str, str]) -> list[Path]:
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


def clean(results: Path, planned: dict[str, str]) -> None:
    """Remove and print the scratch folders that no planned run needs."""
    removed = remove_unneeded(results, planned)
    for scratch in removed:
        print(f"removed {scratch}")
    print(f"{len(removed)} scratch folders removed")


if __name__ == "__main__":
    run_stage(__doc__)
