"""Receipts: what every job was asked to make, and the files that the job read and wrote.

A job's receipt is written after its outputs are complete. It holds the job's identity (arguments,
code and package versions) and the hashes of its input and output files. `judge` decides for every
job whether its outputs are good, missing, damaged or stale, and why. The result of `judge` depends
only on the planned jobs, their receipts and the hashes of files, not on time stamps or Snakemake's
metadata. A judgement is the set of these verdicts with the receipts.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, write_json
from workflow_scripts.common.jobs import Job, digest

# Where a stage's arguments hold the settings. Messages name a setting as the configuration does.
_SECTION = re.compile(r"^(settings|(source\.)?study)\.")


class State(StrEnum):
    """The state of a job's outputs.

    good: the files have the hashes of the receipt, and the receipt fits the plan and the inputs.
    missing: a file or the receipt does not exist. damaged: a file differs from its hash in the
    receipt. stale: the files were made from other settings, code, package versions or inputs.
    """

    GOOD = "good"
    MISSING = "missing"
    DAMAGED = "damaged"
    STALE = "stale"


@dataclass(frozen=True)
class Verdict:
    """The state of a job's outputs, and the reason.

    files are the missing or damaged files. above is set if the only reason is another job: the job
    above produces an input of this job and is not good.
    """

    state: State
    reason: str = ""
    files: tuple[str, ...] = ()
    above: str | None = None

    @property
    def good(self) -> bool:
        """Whether the job need not run."""
        return self.state is State.GOOD


@dataclass(frozen=True)
class Receipt:
    """What a job was asked to make (see Job.identity), and the hashes of its files.

    inputs and outputs map paths to SHA-256 hashes. commit is the git commit of the working tree.
    """

    job: str
    identity: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]
    commit: str

    @property
    def key(self) -> str:
        """The name of the job's result in the run cache."""
        return cache_key(self.identity, self.inputs)


@dataclass(frozen=True)
class Judgement:
    """The receipts of jobs (None where there is no receipt), and the verdict on each job."""

    receipts: dict[str, Receipt | None]
    verdicts: dict[str, Verdict]

    def bad(self, jobs: Iterable[str]) -> dict[str, Verdict]:
        """The verdicts on those of the given jobs that are not good, in the given order."""
        return {name: self.verdicts[name] for name in jobs if not self.verdicts[name].good}


class Reader(Protocol):
    """Gives the hashes of files: from disk (operate.contents), or from memory in tests."""

    def hash(self, path: str) -> str | None:
        """The SHA-256 of a file, or None if there is no such file."""

    def files_below(self, folder: str) -> list[str]:
        """The paths of all files below a folder."""


def cache_key(identity: Mapping, inputs: Mapping[str, str]) -> str:
    """The name of a result in the run cache, which is known before the job runs.

    The name is a hash of the job's identity and of the hashes of its inputs.
    """
    return digest([identity, inputs])


def receipt_path(results: Path, job: str) -> Path:
    """The path of a job's receipt. results is the tier's folder of results."""
    return results / "receipts" / f"{job}.json"


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write a receipt with a digest of its content, by which `read_receipt` detects damage."""
    content = asdict(receipt)
    write_json(path, {**content, "digest": digest(content)})


def read_receipt(path: Path, job: str) -> Receipt | None:
    """The receipt of a job, or None if the file is missing, damaged, or of another job."""
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        seal = content.pop("digest")
        receipt = Receipt(**content)
    except (StudyError, KeyError, TypeError, AttributeError):
        return None
    return receipt if digest(content) == seal and receipt.job == job else None


def read_receipts(results: Path, jobs: Iterable[str]) -> dict[str, Receipt | None]:
    """The receipts of jobs in a tier's folder of results, None where `read_receipt` gives None."""
    return {job: read_receipt(receipt_path(results, job), job) for job in jobs}


def jobs_with_receipts(results: Path) -> list[str]:
    """The names of all jobs with a receipt, including jobs of other configurations."""
    folder = results / "receipts"
    files = sorted(folder.rglob("*.json"))
    return [path.relative_to(folder).as_posix().removesuffix(".json") for path in files]


def written_files(job: Job, reader: Reader) -> list[str]:
    """The files of a job: its declared outputs, and all files in its folders (Job.trees)."""
    trees = (file for tree in job.trees for file in reader.files_below(tree))
    return list(dict.fromkeys([*job.outputs.values(), *trees]))


def upstream(jobs: Mapping[str, Job]) -> dict[str, list[str]]:
    """For each job, the jobs whose outputs it reads."""
    made_by = {file: name for name, job in jobs.items() for file in job.outputs.values()}
    return {
        name: list(dict.fromkeys(made_by[file] for file in job.input_files if file in made_by))
        for name, job in jobs.items()
    }


def closure(names: Iterable[str], edges: Mapping[str, list[str]]) -> list[str]:
    """The given jobs and all jobs that can be reached over edges from them.

    edges maps each job to other jobs. In the result, every job comes after the jobs that its edges
    lead to.
    """
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in order:
            for other in edges[name]:
                visit(other)
            order[name] = None

    for name in names:
        visit(name)
    return list(order)


def downstream(names: Iterable[str], jobs: Mapping[str, Job]) -> list[str]:
    """The given jobs and all jobs that read from them, even indirectly, in order of execution."""
    edges: dict[str, list[str]] = {name: [] for name in jobs}
    for name, above in upstream(jobs).items():
        for other in above:
            edges[other].append(name)
    return closure(names, edges)[::-1]


def judge(
    jobs: Mapping[str, Job],
    receipts: Mapping[str, Receipt | None],
    reader: Reader,
    show: Callable[[Any], str] = json.dumps,
) -> dict[str, Verdict]:
    """The verdict on each job. A job is never good if it reads from a job that is not good.

    show turns the value of a setting into text, for the reason of a verdict.
    """
    above = upstream(jobs)
    verdicts: dict[str, Verdict] = {}
    for name in closure(jobs, above):
        receipt = receipts.get(name)
        verdict = _judge_outputs(jobs[name], receipt, reader, show)
        other = next((other for other in above[name] if not verdicts[other].good), None)
        if verdict.good and other:
            reason = f"reads from {other}, which is {verdicts[other].state}"
            verdict = Verdict(State.STALE, reason, above=other)
        if verdict.good and receipt:
            verdict = _judge_inputs(jobs[name], receipt, reader)
        verdicts[name] = verdict
    return verdicts


def judge_results(
    results: Path,
    jobs: Mapping[str, Job],
    reader: Reader,
    show: Callable[[Any], str] = json.dumps,
) -> Judgement:
    """Read the receipts of jobs from a tier's folder of results, and judge the jobs."""
    receipts = read_receipts(results, jobs)
    return Judgement(receipts, judge(jobs, receipts, reader, show))


def _judge_outputs(
    job: Job, receipt: Receipt | None, reader: Reader, show: Callable[[Any], str]
) -> Verdict:
    """Compare a job's files with the receipt, and the receipt with the plan."""
    absent = tuple(file for file in job.outputs.values() if reader.hash(file) is None)
    if receipt is None:
        reason = "not made yet" if absent else "its files have no receipt"
        return Verdict(State.MISSING, reason, absent)
    if changes := list(_changes(receipt.identity, job.identity, show)):
        return Verdict(State.STALE, f"changed: {'; '.join(changes)}")
    files = written_files(job, reader)
    gone = tuple(file for file in receipt.outputs if reader.hash(file) is None)
    if gone:
        return Verdict(State.MISSING, f"{_some(gone)} is gone", gone)
    altered = tuple(file for file in files if reader.hash(file) != receipt.outputs.get(file))
    if altered:
        return Verdict(State.DAMAGED, f"{_some(altered)} is not what was made", altered)
    return Verdict(State.GOOD)


def _judge_inputs(job: Job, receipt: Receipt, reader: Reader) -> Verdict:
    """Compare the input hashes in the receipt with the present input files."""
    inputs = job.input_files
    if list(receipt.inputs) != inputs:
        return Verdict(State.STALE, "changed: the list of its inputs")
    changed = [file for file in inputs if reader.hash(file) != receipt.inputs[file]]
    if changed:
        return Verdict(State.STALE, f"changed: {_some(changed)}")
    return Verdict(State.GOOD)


def _some(files: Iterable[str]) -> str:
    """The first of several files, and the number of others."""
    first, *others = files
    return f"{first} and {len(others)} more" if others else first


def _changes(old: Mapping, new: Mapping, show: Callable[[Any], str]) -> Iterable[str]:
    """One phrase for each difference between two identities of a job."""
    if old.get("code") != new["code"] or old.get("program") != new["program"]:
        yield "its code"
    for kind, prefix in (("arguments", ""), ("packages", "version of ")):
        before, now = old.get(kind, {}), new[kind]
        for key in dict.fromkeys([*before, *now]):
            if key not in before or key not in now or before[key] != now[key]:
                values = [show(side[key]) if key in side else "nothing" for side in (before, now)]
                yield f"{prefix}{_SECTION.sub('', key)}: {' -> '.join(values)}"
