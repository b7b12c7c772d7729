"""Move old files away from the output paths of jobs that are about to run, without losing a file.

A result that is whole (all files have the hashes of its receipt) stays in the run cache. Every
other file is moved to results/<tier>/set-aside/<time>.
"""

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.jobs import Job
from workflow_scripts.operate import receipts, run_cache
from workflow_scripts.operate.places import SET_ASIDE, is_in_tier
from workflow_scripts.operate.receipts import Judgement, Reader, Receipt, State
from workflow_scripts.plan.plan import Plan


@dataclass(frozen=True)
class Clearance:
    """One job whose old files are to be moved away.

    files are the paths at which the job may have files; some may not exist. reason is shown to the
    user, and is empty if the job runs again only because another job does. is_forced means that the
    job was good and the user forces it to run again, so the run cache must not put its result back.
    """

    job: str
    files: tuple[str, ...]
    receipt: Receipt | None = None
    reason: str = ""
    is_forced: bool = False


def set_aside(plan: Plan, needed: list[str], judgement: Judgement, reader: Reader) -> None:
    """Move away old files of the needed jobs, of jobs that read from them, and of unplanned jobs.

    Unplanned jobs left a receipt but are not in the plan. Reports on stderr which jobs were
    cleared, and why. Raises StudyError before any file is moved if a folder of one of the needed or
    reading jobs is a symbolic link.
    """
    planned = list(find_planned(plan, needed, judgement, reader))
    _refuse_links(plan.jobs[each.job] for each in planned)
    run_cache.allow_all(plan.results)
    folder = plan.results / SET_ASIDE / datetime.now().strftime("%Y-%m-%d-%H%M%S-%f")
    told: dict[str, list[str]] = {}
    for each in [*find_unplanned(plan), *planned]:
        if _clear(each, plan.results, folder, reader) and each.reason:
            told.setdefault(each.reason, []).append(each.job)
    _tell(told, plan.results)


def find_planned(
    plan: Plan, needed: list[str], judgement: Judgement, reader: Reader
) -> Iterator[Clearance]:
    """Clearances of the needed jobs and of all jobs that read from them, directly or not."""
    for name in receipts.downstream(needed, plan.jobs):
        verdict, receipt = judgement.verdicts[name], judgement.receipts[name]
        files = receipts.written_files(plan.jobs[name], reader)
        if receipt:
            files += _own_files(receipt, plan)
        is_told = verdict.state in (State.DAMAGED, State.STALE) and verdict.above is None
        yield Clearance(
            name,
            tuple(dict.fromkeys(files)),
            receipt,
            reason=verdict.reason if is_told else "",
            is_forced=verdict.good and name in needed,
        )


def find_unplanned(plan: Plan) -> Iterator[Clearance]:
    """Clearances of jobs that are not in the plan but left receipts under other configurations."""
    names = [name for name in receipts.jobs_with_receipts(plan.results) if name not in plan.jobs]
    for name, receipt in receipts.read_receipts(plan.results, names).items():
        if receipt:
            files = tuple(_own_files(receipt, plan))
            yield Clearance(name, files, receipt, "no job of this configuration")


def _own_files(receipt: Receipt, plan: Plan) -> list[str]:
    """The files of a receipt that are in the tier's folders and that no other planned job makes.

    A receipt may be forged or older than the plan, and must not cause any other file to be moved.
    """
    return [
        file
        for file in receipt.outputs
        if is_in_tier(file, plan.study.tier) and plan.made_by.get(file, receipt.job) == receipt.job
    ]


def _refuse_links(jobs: Iterable[Job]) -> None:
    """Raise StudyError if a folder of a job is a symbolic link: its files would be elsewhere."""
    for job in jobs:
        if link := next((tree for tree in job.trees if Path(tree).is_symlink()), None):
            raise StudyError(f"{link} is a symbolic link: remove it, and put a folder there")


def _clear(clearance: Clearance, results: Path, folder: Path, reader: Reader) -> bool:
    """Move away a job's old files, and remove its receipt. Returns whether there was any file.

    If all files that the receipt names have the receipt's hashes, the run cache keeps these files.
    Other files are moved below folder.
    """
    name, receipt = clearance.job, clearance.receipt
    found = {file: reader.hash(file) for file in clearance.files if Path(file).exists()}
    hashes = {file: hash for file, hash in found.items() if hash}
    is_whole = bool(receipt and receipt.outputs and receipt.outputs.items() <= hashes.items())
    if receipt and is_whole:
        run_cache.add(results, name, receipt)
    if receipt and clearance.is_forced:
        run_cache.forbid(results, name, receipt.key)
    for file in hashes:
        if receipt and is_whole and file in receipt.outputs:
            Path(file).unlink()
        else:
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, target)  # a rename would fail if data and results are on two disks
    receipts.receipt_path(results, name).unlink(missing_ok=True)
    return bool(hashes)


def _tell(told: Mapping[str, list[str]], results: Path) -> None:
    """Report on stderr which jobs were cleared for which reason, and where their files are."""
    for reason, jobs in told.items():
        others = f" and {len(jobs) - 1} more" if len(jobs) > 1 else ""
        print(f"set aside: {jobs[0]}{others}: {reason}", file=sys.stderr)
    if told:
        print(
            f"    a whole result stays in {results / run_cache.RUN_CACHE} and comes back if it is "
            f"asked for again; other files are in {results / SET_ASIDE}",
            file=sys.stderr,
        )
