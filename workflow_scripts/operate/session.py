"""One run of snakemake: check that it may start, prepare for its jobs, and report how it ended.

Snakemake orders the jobs and runs them. The receipts (what each job read and wrote, as hashes)
decide which jobs must run, and whether their results are good at the end.
"""

import compileall
import json
import os
import py_compile
import shlex
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import IO

from workflow_scripts.common import provenance
from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import write_text
from workflow_scripts.common.jobs import Job, plan_text
from workflow_scripts.common.lock import lock_folder, refuse_orphans
from workflow_scripts.common.provenance import pinned_packages
from workflow_scripts.model.gpus import visible_gpus
from workflow_scripts.operate import receipts
from workflow_scripts.operate.cluster import refuse_queued
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.failures import forget_all_failures, read_failure
from workflow_scripts.operate.places import restoring_mark
from workflow_scripts.operate.receipts import Judgement, Verdict
from workflow_scripts.operate.set_aside import set_aside
from workflow_scripts.plan.plan import Plan

_SHOWN = 60  # at most this many characters of a setting's value are shown
_LISTED = 10  # a message names at most this many failed jobs


class Session:
    """One run of snakemake on the results of a tier."""

    def __init__(self, plan: Plan):
        self.plan, self.results = plan, plan.results
        self._lock: IO[str] | None = None
        self._contents = Contents(self.results)

    @cached_property
    def judgement(self) -> Judgement:
        """The receipts, and the verdict on each job, at the start of this run."""
        return receipts.judge_results(self.results, self.plan.jobs, self._contents, _shorten)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on each job at the start of this run."""
        return self.judgement.verdicts

    def is_good(self, file: str) -> bool:
        """Whether the job that makes a file is good. True for a file that no job makes."""
        job = self.plan.made_by.get(file)
        return job is None or self.verdicts[job].good

    def names(self, files: Iterable[str]) -> list[str]:
        """The jobs that make the given files, each once."""
        made_by = self.plan.made_by
        return list(dict.fromkeys(made_by[file] for file in files if file in made_by))

    def begin(self, needed: list[str], is_local: bool, is_touch: bool) -> None:
        """Lock the results, move away old files of the needed jobs, and write the jobs' plans.

        A plan file holds the program and the arguments of one job.

        is_local means that the jobs run on this machine; is_touch, that --touch was given. Raises
        StudyError if --touch was given, if another process or a job in SLURM's queue uses the
        results, if a job could not run here, or if an output folder is a symbolic link.
        """
        if is_touch:
            raise StudyError(
                "--touch makes nothing up to date, since receipts decide that: leave it out"
            )
        if any(self.plan.jobs[name].outputs for name in needed):
            self._lock = lock_folder(self.results)
            self._refuse_to_start(needed, is_local)
            _compile_by_content()
            self._contents.look_again()  # files may have changed before the results were locked
            set_aside(self.plan, needed, self.judgement, self._contents)
            self._contents.save()
            forget_all_failures(self.results)
        for name in needed:
            _write_plan(self.results, self.plan.jobs[name])

    def _refuse_to_start(self, needed: list[str], is_local: bool) -> None:
        """Raise StudyError if the needed jobs must not or cannot run now."""
        tier = self.plan.study.tier
        refuse_queued(tier)
        refuse_orphans(self.results)
        if restoring_mark(tier).exists():
            raise StudyError(f"{self.results} is restored in part: make restore TIER={tier}")
        modules = {self.plan.jobs[name].module for name in needed}
        packages = {package for module in modules for package in pinned_packages(module)}
        provenance.refuse_other_versions(packages)
        device = self.plan.settings.model.device if "torch" in packages else "cpu"
        if is_local and device == "mps" and sys.platform != "darwin":
            raise StudyError(
                f"the tier {tier} computes on the GPU of an Apple computer (model.device: mps), "
                "and this is none: set model.device to cpu"
            )
        if is_local and device == "cuda" and not visible_gpus():
            raise StudyError(
                f"the tier {tier} computes on a GPU (model.device: cuda) and none is visible here: "
                "run it on a machine with a GPU, or on SLURM with --workflow-profile profiles/slurm"
            )

    def end(self, jobs: list[str], logs: Mapping[str, str]) -> None:
        """Report how the run ended. logs has the log file of each job.

        Raises StudyError, naming the jobs that failed, if a job is not good.
        """
        jobs = [name for name in jobs if self.plan.jobs[name].outputs]
        if not jobs:
            return
        provenance.forget_code()  # the code may have been edited while the jobs ran
        self._contents.look_again()
        judgement = receipts.judge_results(self.results, self.plan.jobs, self._contents)
        self._contents.save()
        verdicts = judgement.verdicts
        bad = [name for name in jobs if not verdicts[name].good]
        if not bad:
            print(f"Done: {len(jobs)} jobs in {self.results}, all outputs as their receipts say.")
            return
        above = receipts.upstream(self.plan.jobs)
        failed = [name for name in bad if all(verdicts[other].good for other in above[name])]
        waiting = len(bad) - len(failed)
        lines = [f"not finished: failed jobs: {len(failed)}; waiting for them: {waiting}"]
        for name in failed[:_LISTED]:
            failure = read_failure(self.results, name)
            error = failure.error if failure else verdicts[name].reason
            log = f"; log: {logs[name]}" if Path(logs.get(name, "")).is_file() else ""
            lines.append(f"    {name}: {error}{log}")
        if len(failed) > _LISTED:
            lines.append(f"    and {len(failed) - _LISTED} more")
        raise StudyError("\n".join([*lines, f"Go on with: {_command_again()}"]))


def _shorten(value: object) -> str:
    """A setting's value as text, cut off if it is too long for a message."""
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _compile_by_content() -> None:
    """Compile the project's code so that Python compares a source file by its content.

    By default, Python compares size and time stamp. If a source file is replaced by another one of
    the same size and time, Python would then run the old compiled code.
    """
    compileall.compile_dir(
        provenance.PACKAGE,
        force=True,
        quiet=2,
        invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
    )


def _write_plan(results: Path, job: Job) -> None:
    path, text = results / "plan" / f"{job.name}.json", plan_text(job)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def _command_again() -> str:
    """The command that the user should run after this run failed."""
    program = os.path.relpath(Path(sys.executable).with_name("snakemake"))
    return os.environ.get("STUDY_COMMAND") or shlex.join([program, *sys.argv[1:]])
