"""Check, from within a cluster's job, all that the study's jobs need of it.

    python -m workflow_scripts.operate.probe --help

`check` runs in a job and writes what it found; `show` prints that, a line for each check with its
remedy, and ends with status 1 if one failed.
"""

import argparse
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, run_program, write_json
from workflow_scripts.common.lock import lock_folder, unlock_folder
from workflow_scripts.common.provenance import refuse_other_versions
from workflow_scripts.model.gpus import visible_gpus

_LEAST_DISK = 5e9  # bytes: checkpoints and rollouts of a handful of runs

# (what, what was found, remedy or None where all is well)
Check = tuple[str, str, str | None]


def _environment() -> Check:
    try:
        refuse_other_versions()
        import torch  # the one package whose build may not fit the node
    except (StudyError, ImportError, OSError) as error:
        return "environment", str(error), "make install, on a file system that all nodes see"
    return "environment", f"torch {torch.__version__} imports, packages are as pinned", None


def _shared_files(token: Path) -> Check:
    there = token.is_file()
    free = shutil.disk_usage(Path.cwd()).free
    try:
        unlock_folder(lock_folder(token.parent / "probe"))
    except StudyError as error:
        return "shared files", str(error), "a file system on which files can be locked"
    found = f"{Path.cwd()}, {free / 1e9:.0f} GB free"
    if not there:
        remedy = "put the project on a file system that login and compute nodes share"
        return "shared files", f"{token}, written by snakemake, is not here", remedy
    return "shared files", found, None if free > _LEAST_DISK else "free some space"


def _gpus(wanted: int, device: str) -> Check:
    visible = visible_gpus()
    found = f"{wanted} asked for, visible: {', '.join(visible) or 'none'}"
    if len(visible) < wanted:
        return "GPU", found, "gpu_partition in profiles/slurm/site.yaml: a partition with GPUs"
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            return "GPU", f"{found}; CUDA does not start", "a torch build that fits the driver"
        found = f"{found}; {torch.cuda.get_device_name()}"
    return "GPU", found, None


def _models(folders: list[Path]) -> Iterator[Check]:
    from workflow_scripts.model.store import verify_model

    for folder in folders:
        try:
            verify_model(folder)
        except StudyError as error:
            yield "model", str(error), "on a node with internet: snakemake fetch_model"
        else:
            yield "model", f"{folder} is whole", None


def check(token: Path, gpus: int, device: str, models: list[Path], output: Path) -> None:
    """Write what a job on this node finds."""
    checks = [_environment()]
    if checks[0][-1] is None:
        checks += [_shared_files(token), _gpus(gpus, device), *_models(models)]
    write_json(
        output, {"node": socket.gethostname(), "job": os.getenv("SLURM_JOB_ID"), "checks": checks}
    )


def show(path: Path) -> bool:
    """Print a report; whether all is well."""
    report = read_json(path)
    where = f"job {report['job']} on {report['node']}" if report["job"] else "here"
    for what, found, remedy in report["checks"]:
        print(f"{where}: {what}: {'FAILED' if remedy else 'ok'}: {found}")
        if remedy:
            print(f"    remedy: {remedy}")
    return not any(remedy for _, _, remedy in report["checks"])


def main() -> None:
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
        args["report"].unlink()  # snakemake would keep it, and show it again once all is mended
        raise StudyError("the cluster is not ready: see the remedies above")


if __name__ == "__main__":
    run_program(main)
