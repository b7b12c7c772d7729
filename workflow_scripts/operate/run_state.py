"""The state of a study while it runs, as its files tell it.

A job that was due is done when its receipt is of this run. It has failed when its error was kept
(see failures). It is at work when one of this machine's processes works on it or, on a cluster,
when its log was written to since the run began. So the state can be read at any time, from any
terminal, and nothing is written.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.common.jobs import Job
from workflow_scripts.common.lock import LOCK, jobs_at_work
from workflow_scripts.common.progress import LoggedProgress, read_progress
from workflow_scripts.cost.remaining import forecast_jobs, measured_pace, seconds_left
from workflow_scripts.operate.failures import FAILED, read_failure
from workflow_scripts.operate.receipts import closure, receipt_path, upstream
from workflow_scripts.plan.plan import Plan

_SETTLED = 10.0  # seconds without a process or a new line in its log after which a job has ended
_PACE_SECONDS = 60.0  # between two readings of the measured costs
_RETRIED = 2.0  # a log that is this many seconds younger than the job's error is of a new attempt


@dataclass(frozen=True)
class AtWork:
    """A job that runs. progress is None until the job counts its steps."""

    job: str
    progress: LoggedProgress | None = None


@dataclass(frozen=True)
class FailedJob:
    """A job that failed in this run: its error, and its log."""

    job: str
    error: str
    log: str


@dataclass(frozen=True)
class RunState:
    """What is done, at work, failed and left of the jobs of a run.

    done maps each job, in an order of execution, to whether it is done. waiting is the number of
    jobs that cannot run because of failed ones. share is the part of the work that is done, from 0
    to 1. left are the seconds to the end, without those jobs while a run goes on. share and left
    are None if no cost is known.
    """

    done: Mapping[str, bool]
    at_work: list[AtWork]
    failed: list[FailedJob]
    waiting: int = 0
    share: float | None = None
    left: float | None = None


@dataclass(frozen=True)
class RunPlan:
    """A run of Snakemake: all jobs of its targets, and those of them that were due at its start.

    names is an order of execution. since is the time at which the run began, in seconds since 1970,
    None if nothing runs. on_cluster means that jobs may run on other machines. seconds has the
    forecast of each job, and is empty if no cost is known. slots is the number of jobs that surely
    run at a time.
    """

    plan: Plan
    names: list[str]
    due: list[str]
    since: float | None
    on_cluster: bool
    seconds: Mapping[str, float]
    slots: int = 1


def plan_run(
    plan: Plan, wanted: Iterable[str], due: Iterable[str], on_cluster: bool, slots: int = 1
) -> RunPlan:
    """The run that has locked the results of a plan.

    wanted are the jobs of the targets; the jobs that they read from are added. due are the jobs
    that the run is to make.
    """
    names = closure([name for name in wanted if plan.jobs[name].outputs], upstream(plan.jobs))
    due = [name for name in due if plan.jobs[name].outputs]
    since = _time_of(plan.results / LOCK)
    return RunPlan(plan, names, due, since, on_cluster, forecast_jobs(plan), slots)


def file_to_read(job: Job) -> str:
    """The output of a job that a reader opens: the picture, or the page."""
    return job.outputs.get("png") or job.outputs.get("markdown") or next(iter(job.outputs.values()))


class RunWatch:
    """Looks at the files of a run again and again. What was done once stays done."""

    def __init__(self, run: RunPlan) -> None:
        self.run = run
        self._above = upstream(run.plan.jobs)
        self._due = dict.fromkeys(run.due)
        self._most_at_work = 1
        self._pace, self._paced = 1.0, -_PACE_SECONDS

    def look(self) -> RunState:
        """The state of the run now."""
        for name in list(self._due):
            if self._is_of_run(receipt_path(self.run.plan.results, name)):
                del self._due[name]
        at_work = self._find_at_work()
        failed = self._find_failed({each.job for each in at_work})
        blocked = self._find_blocked({each.job for each in failed})
        done = {name: name not in self._due for name in self.run.names}
        estimate = self._estimate(at_work, blocked if self.run.since else set())
        return RunState(done, at_work, failed, len(blocked) - len(failed), *estimate)

    def _find_at_work(self) -> list[AtWork]:
        working = set(jobs_at_work(self.run.plan.results).values())
        if self.run.on_cluster:
            working |= {name for name in self._due if self._is_logging(name)}
        at_work = [name for name in self._due if name in working]
        self._most_at_work = max(self._most_at_work, len(at_work))
        return [AtWork(name, read_progress(self.run.plan.log_file(name))) for name in at_work]

    def _is_logging(self, job: str) -> bool:
        """Whether the log of a job on another machine is of this run, and of no failed attempt."""
        log = self.run.plan.log_file(job)
        failed = _time_of(self.run.plan.results / FAILED / f"{job}.json")
        return self._is_of_run(log) and (not failed or _time_of(log) > failed + _RETRIED)

    def _is_of_run(self, file: Path) -> bool:
        """Whether a file was written since the run began."""
        return self.run.since is not None and _time_of(file) >= self.run.since

    def _find_failed(self, working: set[str]) -> list[FailedJob]:
        results, failed = self.run.plan.results, []
        for name in self._due:
            log = self.run.plan.log_file(name)
            if name in working:
                continue
            if failure := read_failure(results, name):
                failed.append(FailedJob(name, failure.error, str(log)))
            elif self._is_of_run(log) and _time_of(log) < time.time() - _SETTLED:
                failed.append(FailedJob(name, "it ended without a result or an error", str(log)))
        return failed

    def _find_blocked(self, failed: set[str]) -> set[str]:
        """The jobs that failed, and the due jobs that read from them, even indirectly."""
        blocked = set(failed)
        for name in self.run.names:
            if name in self._due and not blocked.isdisjoint(self._above[name]):
                blocked.add(name)
        return blocked

    def _estimate(
        self, at_work: list[AtWork], blocked: set[str]
    ) -> tuple[float | None, float | None]:
        """The share of the work that is done, and the seconds to the end without blocked jobs."""
        seconds = self.run.seconds
        if not seconds or not self.run.names:
            return None, None
        left = {name: seconds.get(name, 0.0) for name in self.run.names if name in self._due}
        for each in at_work:
            if each.progress and each.progress.total:
                left[each.job] *= 1 - each.progress.done / each.progress.total
        everything = sum(seconds.get(name, 0.0) for name in self.run.names)
        share = 1 - sum(left.values()) / everything if everything else None
        left = {name: value for name, value in left.items() if name not in blocked}
        if time.monotonic() - self._paced > _PACE_SECONDS:
            done = [name for name in self.run.names if name not in self._due]
            self._pace, self._paced = measured_pace(self.run.plan, done, seconds), time.monotonic()
        slots = max(self.run.slots, self._most_at_work)
        return share, self._pace * seconds_left(left, self._above, slots) if left else 0.0


def _time_of(file: Path) -> float:
    """The time at which a file was last written, 0 if there is none."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
