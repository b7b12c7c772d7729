"""What stands around a run of snakemake: what it has to make, what is set aside, how it ended.

Snakemake orders the jobs and runs them. Which of them must run, and whether what is there at the
end is true, is decided by receipts.
"""

import compileall
import json
import os
import py_compile
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO

from workflow_scripts.common import provenance
from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, write_text
from workflow_scripts.common.jobs import Job, plan_text
from workflow_scripts.common.lock import lock_folder, refuse_orphans
from workflow_scripts.common.provenance import pinned_packages
from workflow_scripts.model.gpus import visible_gpus
from workflow_scripts.operate import receipts, run_cache
from workflow_scripts.operate.cluster import refuse_queued
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.job import failure_path
from workflow_scripts.operate.receipts import Receipt, State, Verdict
from workflow_scripts.operate.sharing import SET_ASIDE, restoring_mark, shared_folders
from workflow_scripts.plan.plan import Plan

_SHOWN = 60  # characters of a setting's value
_LISTED = 10  # failures that are told one by one


class Session:
    """One run of snakemake on the results of a tier."""

    def __init__(self, plan: Plan):
        self.plan, self.results = plan, plan.results
        self._lock: IO[str] | None = None
        self._contents = Contents(self.results)
        began = datetime.now().strftime("%Y-%m-%d-%H%M%S-%f")
        self._set_aside_folder = self.results / SET_ASIDE / began

    @cached_property
    def made_by(self) -> dict[str, str]:
        """The job that makes each file."""
        return receipts.producers(self.plan.jobs)

    @cached_property
    def _receipts(self) -> dict[str, Receipt | None]:
        return receipts.read_receipts(self.results, self.plan.jobs)

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """What was there as this run began."""
        return receipts.judge(self.plan.jobs, self._receipts, self._contents, _shorten)

    def is_good(self, file: str) -> bool:
        """Whether a file is as its job made it, or is no job's."""
        job = self.made_by.get(file)
        return job is None or self.verdicts[job].good

    def names(self, files: Iterable[str]) -> list[str]:
        """The jobs that make some files."""
        return list(dict.fromkeys(self.made_by[file] for file in files if file in self.made_by))

    def begin(self, needed: list[str], is_local: bool, is_touch: bool) -> None:
        """Take the folder, set aside what is to be made anew, and write the plans of the jobs.

        Raises StudyError if another process or a queue is at work on the results, or if a job
        could not run here.
        """
        if is_touch:
            raise StudyError("--touch makes nothing up to date: receipts say what is")
        if any(self.plan.jobs[name].outputs for name in needed):
            self._take(needed, is_local)
        for name in needed:
            _write_plan(self.results, self.plan.jobs[name])

    def _take(self, needed: list[str], is_local: bool) -> None:
        self._lock = lock_folder(self.results)
        refuse_queued(self.plan.study.tier)
        refuse_orphans(self.results)
        tier = self.plan.study.tier
        if restoring_mark(tier).exists():
            raise StudyError(f"{self.results} is restored in part: make restore TIER={tier}")
        modules = {self.plan.jobs[name].module for name in needed}
        provenance.refuse_other_versions({p for m in modules for p in pinned_packages(m)})
        _compile_by_content()
        if is_local and any("torch" in pinned_packages(module) for module in modules):
            self._refuse_without_gpu()
        self._contents = Contents(self.results)  # anew, now that nobody else is at work
        self._set_aside(needed)
        shutil.rmtree(self.results / "failed", ignore_errors=True)
        self._contents.save()

    def _refuse_without_gpu(self) -> None:
        if self.plan.settings.model.device == "cuda" and not visible_gpus():
            raise StudyError(
                f"the tier {self.plan.study.tier} computes on a GPU (model.device: cuda) and none "
                "is visible here: run it where one is, or through SLURM with --workflow-profile "
                "profiles/slurm"
            )

    def _set_aside(self, needed: list[str]) -> None:
        """Clear the place of what is to be made, of what rests on it, and of what is not planned.

        What is whole stays in the run cache.
        """
        told: dict[str, list[str]] = {}
        for name in receipts.recorded_jobs(self.results):
            if name not in self.plan.jobs:
                receipt = receipts.read_receipts(self.results, [name])[name]
                if receipt and self._clear(name, [], receipt):
                    told.setdefault("no job of this configuration", []).append(name)
        run_cache.allow_all(self.results)
        for name in receipts.downstream(needed, self.plan.jobs):
            verdict, receipt = self.verdicts[name], self._receipts[name]
            job = self.plan.jobs[name]
            if link := next((tree for tree in job.trees if Path(tree).is_symlink()), None):
                raise StudyError(f"{link} is a symbolic link: remove it, and put a folder there")
            written = receipts.written_files(job, self._contents)
            was_there = self._clear(name, written, receipt)
            if verdict.good and receipt and name in needed:
                run_cache.forbid(self.results, name, receipt.key)  # forced by hand, -F or -R
            own_fault = verdict.state is State.DAMAGED or verdict.reason.startswith("changed: ")
            if was_there and own_fault:
                told.setdefault(verdict.reason, []).append(name)
        for reason, jobs in told.items():
            others = f" and {len(jobs) - 1} more" if len(jobs) > 1 else ""
            print(f"set aside: {jobs[0]}{others}: {reason}", file=sys.stderr)
        if told:
            kept, rest = self.results / run_cache.RUN_CACHE, self.results / SET_ASIDE
            print(
                f"    what is whole stays in {kept} and comes back if it is asked for again; "
                f"the rest is in {rest}",
                file=sys.stderr,
            )

    def _clear(self, name: str, files: list[str], receipt: Receipt | None) -> bool:
        """Clear the place of a job's files; whether there were any."""
        recorded = receipt.outputs if receipt else ()
        mine = [file for file in recorded if self._is_own(file, name)]
        found = {file: self._contents.hash(file) for file in dict.fromkeys([*files, *mine])}
        hashes = {file: hash for file, hash in found.items() if hash}
        whole = receipt.outputs if receipt and receipt.outputs.items() <= hashes.items() else {}
        if receipt and whole:
            run_cache.add(self.results, name, receipt)
        for file in hashes:
            if file in whole:
                Path(file).unlink()
            else:
                target = self._set_aside_folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(file, target)  # data and results may lie on two disks
        receipts.receipt_path(self.results, name).unlink(missing_ok=True)
        return bool(hashes)

    def _is_own(self, file: str, job: str) -> bool:
        """Whether a file that a job's receipt names may be cleared with the job."""
        path = PurePosixPath(file)
        inside = any(path.is_relative_to(folder) for folder in shared_folders(self.results.name))
        return inside and ".." not in path.parts and self.made_by.get(file, job) == job

    def end(self, jobs: list[str], logs: Mapping[str, str]) -> None:
        """Say how the run ended. Raises StudyError if a product of it is not good."""
        jobs = [name for name in jobs if self.plan.jobs[name].outputs]
        if not jobs:
            return
        provenance.forget_code()  # which may have been edited meanwhile
        contents = Contents(self.results)
        found = receipts.read_receipts(self.results, self.plan.jobs)
        verdicts = receipts.judge(self.plan.jobs, found, contents)
        contents.save()
        bad = [name for name in jobs if not verdicts[name].good]
        if not bad:
            print(f"Done: {len(jobs)} products in {self.results}, each as its receipt says.")
            return
        above = receipts.upstream(self.plan.jobs)
        failed = [name for name in bad if all(verdicts[other].good for other in above[name])]
        waiting = len(bad) - len(failed)
        lines = [f"not finished: failed jobs: {len(failed)}; waiting for them: {waiting}"]
        for name in failed[:_LISTED]:
            path = failure_path(self.results, name)
            error = read_json(path)["error"] if path.is_file() else verdicts[name].reason
            log = f"; log: {logs[name]}" if Path(logs.get(name, "")).is_file() else ""
            lines.append(f"    {name}: {error}{log}")
        if len(failed) > _LISTED:
            lines.append(f"    and {len(failed) - _LISTED} more")
        raise StudyError("\n".join([*lines, f"Go on with: {_command_again()}"]))


def _shorten(value: object) -> str:
    """A setting's value as a message shows it."""
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _compile_by_content() -> None:
    """Have Python take compiled code by the content of its source, not by size and time stamp.

    A file that was copied with its time stamp would else run as the code that it replaced.
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
    """The command that goes on with this run."""
    program = os.path.relpath(Path(sys.executable).with_name("snakemake"))
    return os.environ.get("STUDY_COMMAND") or shlex.join([program, *sys.argv[1:]])
