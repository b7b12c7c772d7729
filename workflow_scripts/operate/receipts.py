"""Receipts: what every job was to make, what it read and what it wrote; and what that proves.

A job's receipt is written once its outputs are whole. `judge` is a pure function of the planned
jobs, their receipts and the files' contents: it says of every job whether what it made is good,
missing, damaged or stale, and why. It asks no time stamp and nothing that Snakemake remembers.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, write_json
from workflow_scripts.common.jobs import Job, digest


class State(StrEnum):
    GOOD = "good"
    MISSING = "missing"
    DAMAGED = "damaged"
    STALE = "stale"


@dataclass(frozen=True)
class Verdict:
    """What is known of a job's outputs. files names those that are missing or damaged."""

    state: State
    reason: str = ""
    files: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return self.state is State.GOOD


@dataclass(frozen=True)
class Receipt:
    """What a job was to make (see Job.identity), and the hashes of what it read and wrote."""

    job: str
    identity: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]
    commit: str

    @property
    def key(self) -> str:
        return cache_key(self.identity, self.inputs)


class Reader(Protocol):
    """Where the contents of files are known from; see operate.contents."""

    def hash(self, path: str) -> str | None: ...

    def files_below(self, folder: str) -> list[str]: ...


def cache_key(identity: Mapping, inputs: Mapping[str, str]) -> str:
    """The name of a result before it is made: of what is to be made, and from which contents."""
    return digest([identity, inputs])


def receipt_path(results: Path, job: str) -> Path:
    return results / "receipts" / f"{job}.json"


def write_receipt(path: Path, receipt: Receipt) -> None:
    content = asdict(receipt)
    write_json(path, {**content, "digest": digest(content)})


def read_receipt(path: Path, job: str) -> Receipt | None:
    """The receipt of a job at a path; None if there is none, or none that is whole."""
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
    return {job: read_receipt(receipt_path(results, job), job) for job in jobs}


def recorded_jobs(results: Path) -> list[str]:
    """The names of all jobs that left a receipt, those of other configurations among them."""
    folder = results / "receipts"
    files = sorted(folder.rglob("*.json"))
    return [path.relative_to(folder).as_posix().removesuffix(".json") for path in files]


def written_files(job: Job, reader: Reader) -> list[str]:
    """The files of a job: its declared outputs, and all that is in the folders of its own."""
    trees = (file for tree in job.trees for file in reader.files_below(tree))
    return list(dict.fromkeys([*job.outputs.values(), *trees]))


def producers(jobs: Mapping[str, Job]) -> dict[str, str]:
    """The job that makes each declared output."""
    return {file: name for name, job in jobs.items() for file in job.outputs.values()}


def upstream(jobs: Mapping[str, Job]) -> dict[str, list[str]]:
    """The jobs whose outputs each job reads."""
    made_by = producers(jobs)
    return {
        name: list(dict.fromkeys(made_by[file] for file in job.input_files if file in made_by))
        for name, job in jobs.items()
    }


def closure(names: Iterable[str], edges: Mapping[str, list[str]]) -> list[str]:
    """Some jobs and all that they lead to along the edges, each after what it leads to."""
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
    """Some jobs and all that rests on them, each before what rests on it."""
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
    """The verdict on each job. What rests on a job that is not good is stale at least."""
    above = upstream(jobs)
    verdicts: dict[str, Verdict] = {}
    for name in closure(jobs, above):
        receipt = receipts.get(name)
        verdict = _judge_outputs(jobs[name], receipt, reader, show)
        other = next((other for other in above[name] if not verdicts[other].good), None)
        if verdict.good and other:
            reason = f"rests on {other}, which is {verdicts[other].state}"
            verdict = Verdict(State.STALE, reason)
        if verdict.good and receipt:
            verdict = _judge_inputs(jobs[name], receipt, reader)
        verdicts[name] = verdict
    return verdicts


def _judge_outputs(
    job: Job, receipt: Receipt | None, reader: Reader, show: Callable[[Any], str]
) -> Verdict:
    """Whether a job's files are what was made, and what is to be made."""
    absent = tuple(file for file in job.outputs.values() if reader.hash(file) is None)
    if receipt is None:
        reason = "not made yet" if absent else "nothing says what made it"
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
    """Whether a job read what is there now."""
    inputs = job.input_files
    if list(receipt.inputs) != inputs:
        return Verdict(State.STALE, "changed: which files it reads")
    changed = [file for file in inputs if reader.hash(file) != receipt.inputs[file]]
    if changed:
        return Verdict(State.STALE, f"changed: {_some(changed)}")
    return Verdict(State.GOOD)


def _some(files: Iterable[str]) -> str:
    first, *others = files
    return f"{first} and {len(others)} more" if others else first


def _changes(old: Mapping, new: Mapping, show: Callable[[Any], str]) -> Iterable[str]:
    """What differs between two identities of a job, in words."""
    if old.get("code") != new["code"] or old.get("program") != new["program"]:
        yield "its code"
    for kind, prefix in (("arguments", ""), ("packages", "version of ")):
        before, now = old.get(kind, {}), new[kind]
        for key in dict.fromkeys([*before, *now]):
            if key not in before or key not in now or before[key] != now[key]:
                values = [show(side[key]) if key in side else "nothing" for side in (before, now)]
                yield f"{prefix}{key.removeprefix('settings.')}: {' -> '.join(values)}"
