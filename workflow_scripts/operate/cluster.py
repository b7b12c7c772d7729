"""The SLURM cluster: the options of the site, and jobs that outlived a killed snakemake.

    python -m workflow_scripts.operate.cluster --help

`profiles/slurm` gets the site's options through `site_or_exit`. `make resume` runs this module as a
program.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import run_program
from workflow_scripts.common.lock import lock_folder, unlock_folder
from workflow_scripts.operate.command_line import read_command_line
from workflow_scripts.plan.configuration import read_yaml

SITE_FILE = Path("profiles/slurm/site.yaml")
_SITE_KEYS = ("account", "cpu_partition", "gpu_partition", "qos", "constraint")
# Seconds for which SLURM must remember an ended job: Snakemake's executor may read the queue only
# every 180 seconds.
_LEAST_JOB_AGE = 240
_POLL_SECONDS = 10  # between two reads of the queue in `settle`
# Snakemake's executor writes <rule>/<wildcards>/<SLURM job>.log in this folder.
_LOGS = Path(".snakemake/slurm_logs")
# How SLURM ended a job, and a pattern of the words that SLURM then writes into the job's log.
_ENDINGS = {
    "asked for too little memory": "memory limit",
    "was killed for want of memory": "oom[-_]kill",
    "came to its time limit": "due to time limit",
    "was preempted": "due to preemption",
    "lost its node": "due to node failure",
}


@dataclass(frozen=True)
class Site:
    """The values that profiles/slurm needs. A value is None if the site does not use the option."""

    account: str | None
    partition: str | None
    qos: str | None
    constraint: str | None
    status_command: str
    job_prefix: str
    grouped_rollouts: int


def _ask(*command: str) -> str:
    """The output of a SLURM command.

    Raises StudyError if the command is not installed, fails, or does not answer within 60 seconds.
    """
    if shutil.which(command[0]) is None:
        raise StudyError(f"no {command[0]} on PATH: log in where SLURM's commands are")
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        raise StudyError(
            f"{command[0]} does not answer within 60 seconds: ask whether slurmctld is running"
        ) from None
    if run.returncode:
        told = run.stderr.strip().splitlines() or ["failed"]
        raise StudyError(f"{' '.join(command)}: {told[0]}")
    return run.stdout


def _warn_of_short_memory() -> None:
    """Warn on stderr if SLURM forgets an ended job before Snakemake asks squeue for its state."""
    try:
        age = re.search(r"MinJobAge\s*=\s*(\d+)", _ask("scontrol", "show", "config"))
    except StudyError:
        return
    if age and int(age[1]) < _LEAST_JOB_AGE:
        print(
            f"slurm: MinJobAge of slurm.conf is {age[1]} seconds: snakemake may wait forever for "
            f"a job that SLURM has forgotten; ask for {_LEAST_JOB_AGE} or more, or for accounting",
            file=sys.stderr,
        )


@cache
def status_command() -> str:
    """The command that reports states of jobs: sacct if the site has accounting, else squeue.

    Writes the choice to stderr.
    """
    try:
        _ask("sacct", "--noheader", "--parsable2", "--starttime=now")
    except StudyError as error:
        print(f"slurm: states of jobs by squeue, there is no accounting ({error})", file=sys.stderr)
        _warn_of_short_memory()
        return "squeue"
    print("slurm: states of jobs by sacct", file=sys.stderr)
    return "sacct"


def read_site(path: Path = SITE_FILE) -> dict[str, str | None]:
    """Read the options of the site from a file. Environment variables (STUDY_ACCOUNT) win.

    Raises StudyError if the file has an unknown key or an invalid value.
    """
    values = read_yaml(path)
    for key, value in values.items():
        if key not in _SITE_KEYS:
            raise StudyError(f"{path}: {key}: not one of {', '.join(_SITE_KEYS)}")
        if value is not None and not re.fullmatch(r"[^\s'\"]+", str(value)):
            raise StudyError(f"{path}: {key}: {value}: write one word, or null")
    return {key: os.environ.get(f"STUDY_{key.upper()}") or values.get(key) for key in _SITE_KEYS}


def job_prefix(tier: str) -> str:
    """The beginning of the names of a tier's SLURM jobs. The prefix differs between checkouts."""
    return f"{tier}-{hashlib.sha256(str(Path.cwd()).encode()).hexdigest()[:8]}"


def tell_endings(logs: Path = _LOGS) -> None:
    """Write to stderr which jobs SLURM ended since this process began, and why."""
    began = psutil.Process().create_time()
    for log in sorted(logs.rglob("*.log")):
        if log.stat().st_mtime < began:
            continue
        text = log.read_text(encoding="utf-8", errors="replace").lower()
        for reason, sign in _ENDINGS.items():
            if re.search(sign, text):
                job = " ".join((*log.relative_to(logs).parent.parts, "as job", log.stem))
                print(f"slurm: {job} {reason}; see {log}", file=sys.stderr)


def find_site() -> Site:
    """The site's options, for the study that this snakemake's command line names.

    Raises StudyError if SLURM is not installed here, or if a file cannot be read.
    """
    command = read_command_line()
    if not command.is_dry_run and shutil.which("sbatch") is None:
        raise StudyError(
            "no sbatch on PATH: log in where SLURM's commands are, or run the study on this "
            "machine, without --workflow-profile profiles/slurm"
        )
    config = command.config
    tier, gpus = config["tier"], int(config["jobs"]["gpus"])  # text if --config sets the number
    values = read_site()
    return Site(
        account=values["account"],
        partition=values["gpu_partition" if gpus else "cpu_partition"],
        qos=values["qos"],
        constraint=values["constraint"],
        status_command=status_command(),
        job_prefix=job_prefix(tier),
        grouped_rollouts=1 if gpus else 8,
    )


def site_or_exit() -> Site:
    """Call `find_site`. End the process with an error of one line if it raises StudyError.

    Profiles call this function, because Snakemake shows an error in a profile as a traceback.
    """
    try:
        return find_site()
    except StudyError as error:
        sys.exit(f"error: {error}")


def queued_jobs(tier: str) -> dict[str, str]:
    """The state of each of a tier's jobs in SLURM's queue, by SLURM job id.

    Raises StudyError if squeue fails.
    """
    listed = _ask("squeue", "--me", "--noheader", "--format=%i|%T|%j")
    jobs = (line.split("|", 2) for line in listed.splitlines())
    return {id: state for id, state, name in jobs if name.startswith(f"{job_prefix(tier)}_")}


def refuse_queued(tier: str) -> None:
    """Raise StudyError if SLURM's queue has jobs of a tier from an earlier snakemake.

    If the queue cannot be read, only a warning is written to stderr.
    """
    if shutil.which("squeue") is None:
        return
    try:
        jobs = queued_jobs(tier)
    except StudyError as error:
        print(
            f"slurm: cannot look for jobs of an earlier snakemake in the queue: {error}",
            file=sys.stderr,
        )
        return
    if jobs:
        raise StudyError(
            f"jobs of results/{tier} are in SLURM's queue: {', '.join(jobs)}. Wait for them and go "
            f"on with: make resume TIER={tier}; cancel them first with: make resume TIER={tier} "
            "CANCEL=yes"
        )


def settle(tier: str, cancel: bool) -> None:
    """Wait until SLURM's queue has no job of a tier. With cancel, cancel the jobs first.

    A cancelled training job saves its state, from which the next snakemake resumes it. Raises
    StudyError if a snakemake is running on the tier.
    """
    lock = lock_folder(Path("results", tier))
    jobs = queued_jobs(tier)
    if cancel and jobs:
        _ask("scancel", *jobs)
    while jobs:
        states = ", ".join(f"{id} {state.lower()}" for id, state in jobs.items())
        print(f"waiting for {len(jobs)} jobs: {states}", file=sys.stderr)
        time.sleep(_POLL_SECONDS)
        try:
            jobs = queued_jobs(tier)
        except StudyError as error:  # a restart of slurmctld must not end the waiting
            print(error, file=sys.stderr)
    unlock_folder(lock)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", required=True, help="wait for the jobs of this tier")
    parser.add_argument("--cancel", action="store_true", help="cancel them first")
    settle(**vars(parser.parse_args()))


if __name__ == "__main__":
    run_program(main)
