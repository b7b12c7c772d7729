"""Check, inside a job of the cluster, whether its node has all that the study's jobs need.

    python -m workflow_scripts.operate.probe --help

`check` runs in a job and writes a report. `show` prints the report: one line for each check, with a
remedy if the check failed. `show` exits with status 1 if any check failed.
"""

import argparse
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, run_program, write_json
from workflow_scripts.common.lock import lock_folder, unlock_folder
from workflow_scripts.common.provenance import refuse_other_versions
from workflow_scripts.model.gpus import visible_gpus
from workflow_scripts.model.manifest import verify_model

_LEAST_DISK = 5e9  # bytes: enough for the checkpoints and rollouts of a few runs


class Check(NamedTuple):
    """The result of a check: its subject, the finding, and a remedy (None if the check passed)."""

    what: str
    found: str
    remedy: str | None = None


def _environment() -> Check:
    try:
        refuse_other_versions()
        import torch  # imported here, so that a build that does not fit the node gives a report
    except (StudyError, ImportError, OSError) as error:
        return Check("environment", str(error), "make install, on a file system that all nodes see")
    return Check("environment", f"torch {torch.__version__} imports, packages are as pinned")


def _shared_files(token: Path) -> Check:
    there = token.is_file()
    free = shutil.disk_usage(Path.cwd()).free
    try:
        unlock_folder(lock_folder(token.parent / "probe"))
    except StudyError as error:
        return Check("shared files", str(error), "a file system on which files can be locked")
    found = f"{Path.cwd()}, {free / 1e9:.0f} GB free"
    if not there:
        remedy = "put the project on a file system that login and compute nodes share"
        return Check("shared files", f"{token}, written by snakemake, is not here", remedy)
    return Check("shared files", found, None if free > _LEAST_DISK else "free some space")


def _gpus(wanted: int, device: str) -> Check:
    visible = visible_gpus()
    found = f"{wanted} asked for, visible: {', '.join(visible) or 'none'}"
    if len(visible) < wanted:
        remedy = "gpu_partition in profiles/slurm/site.yaml: a partition with GPUs"
        return Check("GPU", found, remedy)
    if device == "cuda":
        import torch  # imported here for the same reason as in _environment

        if not torch.cuda.is_available():
            remedy = "a torch build that fits the driver"
            return Check("GPU", f"{found}; CUDA does not start", remedy)
        found = f"{found}; {torch.cuda.get_device_name()}"
    return Check("GPU", found)


def _models(folders: list[Path]) -> Iterator[Check]:
    for folder in folders:
        try:
            verify_model(folder)
        except StudyError as error:
            yield Check("model", str(error), "on a node with internet: snakemake fetch_model")
        else:
            yield Check("model", f"{folder} is whole")


def check(token: Path, gpus: int, device: str, models: list[Path], output: Path) -> None:
    """Run all checks on this node and write the report.

    If the environment check fails, the other checks are left out, since they need torch.
    """
    checks = [_environment()]
    if checks[0].remedy is None:
        checks += [_shared_files(token), _gpus(gpus, device), *_models(models)]
    write_json(
        output, {"node": socket.gethostname(), "job": os.getenv("SLURM_JOB_ID"), "checks": checks}
    )


def show(path: Path) -> bool:
    """Print a report. Returns whether all checks passed."""
    report = read_json(path)
    where = f"job {report['job']} on {report['node']}" if report["job"] else "here"
    checks = [Check(*each) for each in report["checks"]]
    for each in checks:
        print(f"{where}: {each.what}: {'FAILED' if each.remedy else 'ok'}: {each.found}")
        if each.remedy:
            print(f"    remedy: {each.remedy}")
    return not any(each.remedy for each in checks)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="in a job: write what it finds")
    checking.add_argument("--token", type=Path, required=True, help="a file that must be visible")
    checking.add_argument("--gpus", type=int, required=True, help="how many the job asked for")
    checking.add_argument("--device", required=True, help="what models are to run on")
    checking.add_argument("--models", type=Path, nargs="*", required=True, help="model folders")
    checking.add_argument("--output", type=Path, required=True)
    showing = commands.add_parser("show", help="print what it found")
    showing.add_argument("report", type=Path)
    args = vars(parser.parse_args())
    if args.pop("command") == "check":
        check(**args)
    elif not show(args["report"]):
        # After the user fixes the fault, the next snakemake must make a new report.
        args["report"].unlink()
        raise StudyError("the cluster is not ready: see the remedies above")


if __name__ == "__main__":
    run_program(main)
