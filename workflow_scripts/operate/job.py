"""Run one job of the workflow, and write its receipt.

    python -m workflow_scripts.operate.job results/laptop/plan/rl/FB-s0-rl6-9.json

A receipt records what the job was asked to make, and the hashes of the files it read and wrote. The
receipt is written last, and outputs without a receipt do not count as a result. The run cache keeps
results of earlier jobs. If it has the result of the same job on the same inputs, this result is put
back and the job does not run.
"""

import argparse
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from workflow_scripts.common.errors import StudyError, Temporary
from workflow_scripts.common.files import is_full_disk, run_program, sha256
from workflow_scripts.common.jobs import Job, read_plan
from workflow_scripts.common.provenance import (
    forget_code,
    git_commit,
    pinned_packages,
    refuse_other_versions,
)
from workflow_scripts.operate import run_cache
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.failures import (
    Failure,
    forget_failure,
    read_failure,
    write_failure,
)
from workflow_scripts.operate.receipts import (
    Receipt,
    cache_key,
    receipt_path,
    write_receipt,
    written_files,
)


def _hashes(files: list[str]) -> dict[str, str]:
    return {file: sha256(Path(file)) for file in files}


def make(job: Job, results: Path) -> None:
    """Make the outputs of a job, or put them back from the run cache, and write the job's receipt.

    Raises StudyError if an output is missing at the end, or if an input or the code changed while
    the job ran.
    """
    refuse_other_versions(pinned_packages(job.module))
    path = receipt_path(results, job.name)
    path.unlink(missing_ok=True)
    identity, inputs = job.identity, _hashes(job.input_files)
    receipt = run_cache.put_back(results, job.name, cache_key(identity, inputs))
    if receipt:
        print(
            f"{job.name}: put back from the run cache, which has it from the same inputs",
            file=sys.stderr,
        )
    else:
        job.run()
        if absent := [file for file in job.outputs.values() if not Path(file).is_file()]:
            raise StudyError(f"{job.name} ended without writing {absent[0]}: a fault of its stage")
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
    """Call `make`. If the disk is full, raise Temporary with the folder of the outputs.

    The system's own error may name another file, or none.
    """
    try:
        make(job, results)
    except Exception as error:
        if isinstance(error, StudyError) or not is_full_disk(error):
            raise
        where = Path(next(iter(job.outputs.values()))).parent
        raise Temporary(f"no space left on the disk of {where}: free some and run again") from error


def run_job(job: Job, results: Path) -> None:
    """Run a job of the workflow. If the job fails, keep its error for the report at the end.

    Snakemake may retry a failed job. If the kept error is final, the retry ends at once.
    """
    if not job.outputs:  # such a job is a tool: it makes no result and needs no receipt
        job.run()
        return
    known = read_failure(results, job.name)
    if known and known.is_final:
        raise StudyError(known.error)
    try:
        _make_on_disk(job, results)
    except Exception as error:
        text = str(error) if isinstance(error, StudyError) else f"{type(error).__name__}: {error}"
        is_final = isinstance(error, StudyError) and not isinstance(error, Temporary)
        with suppress(OSError):  # on a full disk, the error is only in the log
            write_failure(results, job.name, Failure(text, is_final))
        raise
    forget_failure(results, job.name)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan", type=Path, help="results/<tier>/plan/<job>.json")
    plan = parser.parse_args().plan
    job = read_plan(plan)
    results = Path(str(plan).removesuffix(f"/plan/{job.name}.json"))
    if results == plan:
        raise StudyError(
            f"{plan} is not at its place: move it to results/<tier>/plan/{job.name}.json"
        )
    run_job(job, results)


if __name__ == "__main__":
    run_program(main)
