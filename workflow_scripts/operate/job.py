"""Run one job of the workflow, and write its receipt.

    python -m workflow_scripts.operate.job results/laptop/plan/rl/FB-s0-rl6-9.json

What was made before from the same contents is put back instead. The receipt is the last thing to
be written: without one, whatever lies in the job's place is not taken for a result.
"""

import argparse
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from workflow_scripts.common.errors import StudyError, Temporary
from workflow_scripts.common.files import is_full_disk, read_json, run_program, sha256, write_json
from workflow_scripts.common.jobs import Job, read_plan
from workflow_scripts.common.provenance import (
    forget_code,
    git_commit,
    pinned_packages,
    refuse_other_versions,
)
from workflow_scripts.operate import run_cache
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.receipts import (
    Receipt,
    cache_key,
    receipt_path,
    write_receipt,
    written_files,
)


def failure_path(results: Path, job: str) -> Path:
    """Where the error of a job stands that failed since the last snakemake was started."""
    return results / "failed" / f"{job}.json"


def _hashes(files: list[str]) -> dict[str, str]:
    return {file: sha256(Path(file)) for file in files}


def make(job: Job, results: Path) -> None:
    """Make the outputs of a job, or put them back, and write its receipt.

    Raises StudyError if an output is missing at the end, or an input changed meanwhile.
    """
    refuse_other_versions(pinned_packages(job.module))
    path = receipt_path(results, job.name)
    path.unlink(missing_ok=True)
    identity, inputs = job.identity, _hashes(job.input_files)
    receipt = run_cache.put_back(results, job.name, cache_key(identity, inputs))
    if receipt:
        print(f"{job.name} was made before from the same: put back", file=sys.stderr)
    else:
        job.run()
        if absent := [file for file in job.outputs.values() if not Path(file).is_file()]:
            raise StudyError(f"{job.name} ended and did not write {absent[0]}")
        forget_code()
        if _hashes(job.input_files) != inputs or job.identity != identity:
            raise StudyError(
                f"an input or the code of {job.name} changed while it ran: run snakemake again"
            )
        outputs = _hashes(written_files(job, Contents()))
        receipt = Receipt(job.name, identity, inputs, outputs, git_commit())
        run_cache.add(results, job.name, receipt)
    write_receipt(path, receipt)
    if job.scratch:
        shutil.rmtree(job.scratch, ignore_errors=True)


def _make_on_disk(job: Job, results: Path) -> None:
    """As make; a full disk is told as that of the outputs, wherever the error says it was."""
    try:
        make(job, results)
    except Exception as error:
        if isinstance(error, StudyError) or not is_full_disk(error):
            raise
        where = Path(next(iter(job.outputs.values()))).parent
        raise Temporary(f"no space left on the disk of {where}: free some and run again") from error


def run_job(job: Job, results: Path) -> None:
    """Run a job of the workflow, and leave its error for the end of the run.

    An error that another try would meet again is not tried again: Snakemake knows no difference.
    """
    if not job.outputs:  # it shows something, or cleans up
        job.run()
        return
    failure = failure_path(results, job.name)
    if failure.is_file() and (known := read_json(failure))["final"]:
        raise StudyError(known["error"])
    try:
        _make_on_disk(job, results)
    except Exception as error:
        text = str(error) if isinstance(error, StudyError) else f"{type(error).__name__}: {error}"
        final = isinstance(error, StudyError) and not isinstance(error, Temporary)
        with suppress(OSError):  # on a full disk, the log has to do
            write_json(failure, {"error": text, "final": final})
        raise
    failure.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan", type=Path, help="results/<tier>/plan/<job>.json")
    plan = parser.parse_args().plan
    job = read_plan(plan)
    results = Path(str(plan).removesuffix(f"/plan/{job.name}.json"))
    if results == plan:
        raise StudyError(f"{plan} is not at its place, which is plan/{job.name}.json of a tier")
    run_job(job, results)


if __name__ == "__main__":
    run_program(main)
