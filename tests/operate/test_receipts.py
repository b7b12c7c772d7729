"""Properties of the one function that says what is good, on random studies in memory."""

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.common.jobs import Job, digest
from workflow_scripts.operate.receipts import Receipt, State, closure, downstream, judge, upstream


class Disk(dict):
    """Files in memory, as a Reader."""

    def hash(self, path: str) -> str | None:
        return hashlib.sha256(self[path].encode()).hexdigest() if path in self else None

    def files_below(self, folder: str) -> list[str]:
        return sorted(path for path in self if path.startswith(f"{folder}/"))


def make(job: Job, disk: Disk, receipts: dict) -> None:
    """What a stage does: files that its arguments and its inputs decide, then the receipt."""
    for file in disk.files_below(job.name):
        del disk[file]
    text = digest([job.identity, [disk[file] for file in job.input_files]])
    written = [*job.outputs.values(), *(f"{tree}/weights" for tree in job.trees)]
    disk.update({file: f"{text} {file}" for file in written})
    inputs = {file: disk.hash(file) for file in job.input_files}
    outputs = {file: disk.hash(file) for file in written}
    receipts[job.name] = Receipt(job.name, job.identity, inputs, outputs, "commit")


def make_missing(jobs: dict[str, Job], disk: Disk, receipts: dict) -> list[str]:
    verdicts = judge(jobs, receipts, disk)
    due = [name for name in closure(jobs, upstream(jobs)) if not verdicts[name].good]
    for name in due:
        make(jobs[name], disk, receipts)
    return due


@st.composite
def studies(draw) -> dict[str, Job]:
    """A few jobs, each with some of the outputs before it, or of a given file, as inputs."""
    jobs: dict[str, Job] = {}
    files = ["given"]
    for number in range(draw(st.integers(1, 7))):
        name = f"job{number}"
        read = draw(st.lists(st.sampled_from(files), unique=True, max_size=3))
        outputs = {f"o{i}": f"{name}/out{i}" for i in range(draw(st.integers(1, 2)))}
        trees = (f"{name}/tree",) if draw(st.booleans()) else ()
        arguments = {"settings": {"rate": draw(st.integers(0, 3))}, "cores": number}
        jobs[name] = Job(
            name, "task.datasets:none", arguments, {"read": read}, outputs, trees, ("cores",)
        )
        files += outputs.values()
    return jobs


def finished(jobs: dict[str, Job]) -> tuple[Disk, dict]:
    disk, receipts = Disk(given="content"), {}
    make_missing(jobs, disk, receipts)
    return disk, receipts


def changed(job: Job, **arguments) -> Job:
    return Job(
        **{**vars(job), "arguments": {**job.arguments, **arguments}},
    )


@given(studies())
def test_what_was_made_is_good_and_nothing_is_made_again(jobs):
    disk, receipts = finished(jobs)
    assert make_missing(jobs, disk, receipts) == []


CHANGES = ("delete", "edit", "flip", "add", "receipt", "setting", "swap")


def apply(change: str, job: Job, jobs: dict, disk: Disk, receipts: dict, n: int) -> State | None:
    """Change something of a job; the state that it is then in, None if nothing changed."""
    files = list(receipts[job.name].outputs)
    file = files[n % len(files)]
    match change:
        case "delete":
            del disk[file]
            return State.MISSING
        case "edit" | "flip":
            disk[file] = disk[file] + " " if change == "edit" else disk[file][::-1]
            return State.DAMAGED
        case "add" if job.trees:
            disk[f"{job.trees[0]}/more"] = ""
            return State.DAMAGED
        case "receipt":
            receipts[job.name] = None
            return State.MISSING
        case "setting":
            jobs[job.name] = changed(job, settings={"rate": 7})
            return State.STALE
        case "swap" if len(files) > 1:
            disk[files[0]], disk[files[1]] = disk[files[1]], disk[files[0]]
            return State.DAMAGED
    return None


@settings(max_examples=300)
@given(studies(), st.data())
def test_after_a_change_what_it_touches_and_all_below_is_made_again_to_the_same(jobs, data):
    disk, receipts = finished(jobs)
    name = data.draw(st.sampled_from(list(jobs)))
    change = data.draw(st.sampled_from(CHANGES))
    state = apply(change, jobs[name], jobs, disk, receipts, data.draw(st.integers(0, 3)))
    verdicts = judge(jobs, receipts, disk)
    touched = [name] if state else []
    assert {n for n, v in verdicts.items() if not v.good} == set(downstream(touched, jobs))
    if state:
        assert verdicts[name].state is state
    make_missing(jobs, disk, receipts)
    fresh, _ = finished(jobs)
    assert disk == fresh


@settings(max_examples=200)
@given(studies(), st.data())
def test_a_run_stopped_anywhere_ends_as_one_that_was_not(jobs, data):
    """Any number of changes, then runs that stop after some of the jobs that are due."""
    disk, receipts = finished(jobs)
    for _ in range(data.draw(st.integers(1, 4))):
        name = data.draw(st.sampled_from(list(jobs)))
        if receipts[name]:
            present = [f for f in receipts[name].outputs if f in disk]
            change = data.draw(st.sampled_from(("delete", "edit", "receipt", "setting")))
            if present or change in ("receipt", "setting"):
                index = list(receipts[name].outputs).index(present[0]) if present else 0
                apply(change, jobs[name], jobs, disk, receipts, index)
        verdicts = judge(jobs, receipts, disk)
        due = [n for n in closure(jobs, upstream(jobs)) if not verdicts[n].good]
        for n in due[: data.draw(st.integers(0, len(due)))]:
            make(jobs[n], disk, receipts)
    make_missing(jobs, disk, receipts)
    assert all(v.good for v in judge(jobs, receipts, disk).values())
    fresh, _ = finished(jobs)
    assert disk == fresh


@given(studies())
def test_another_given_file_and_only_what_rests_on_it_is_stale(jobs):
    disk, receipts = finished(jobs)
    disk["given"] = "other"
    readers = [name for name, job in jobs.items() if "given" in job.input_files]
    verdicts = judge(jobs, receipts, disk)
    assert {n for n, v in verdicts.items() if not v.good} == set(downstream(readers, jobs))
    assert all(v.state is State.STALE for v in verdicts.values() if not v.good)


@given(studies())
def test_an_argument_on_which_no_result_depends_changes_nothing(jobs):
    disk, receipts = finished(jobs)
    more = {name: changed(job, cores=99) for name, job in jobs.items()}
    assert all(verdict.good for verdict in judge(more, receipts, disk).values())
