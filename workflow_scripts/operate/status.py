"""Show the state of a tier at any time: what runs, what failed, what is ready, stale or missing.

    python -m workflow_scripts.operate.status main --configfile config/laptop.yaml

--configfile and --config are used as for snakemake. A file is hashed only if it changed since the
last run of snakemake on the tier. Nothing is written and nothing is locked.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from rich.console import Console
from rich.text import Text

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import run_program
from workflow_scripts.common.lock import Holder, find_holder
from workflow_scripts.operate.cluster import queued_jobs
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.receipts import State, Verdict, closure, upstream
from workflow_scripts.operate.run_state import RunState, RunWatch, file_to_read, plan_run
from workflow_scripts.operate.run_view import describe_run, make_line, tell_duration, tell_share
from workflow_scripts.operate.verify import jobs_of, judge_jobs, read_plan, study_parser
from workflow_scripts.plan.plan import Plan
from workflow_scripts.plan.products import claim_parts

_STYLES = {"ready": "green", "stale": "yellow", "missing": "dim", "damaged": "red"}
_WIDE = 200  # characters of a line, where the output is no terminal


@dataclass(frozen=True)
class ProductState:
    """A figure, a table, the claims or one claim: its target, its state, and its file or reason."""

    name: str
    state: str
    text: str


def judge_products(
    plan: Plan, names: list[str], verdicts: Mapping[str, Verdict], seconds: Mapping[str, float]
) -> Iterator[ProductState]:
    """The state of each figure, each table and the claims among the named jobs.

    seconds are the forecasts of jobs. While the claims are not ready, each claim has a line too.
    """
    above = upstream(plan.jobs)
    targets = {jobs[0]: target for target, jobs in plan.targets.items() if len(jobs) == 1}

    def judge(name: str, job: str) -> ProductState:
        verdict = verdicts[job]
        if verdict.good:
            return ProductState(name, "ready", file_to_read(plan.jobs[job]))
        due = _tell_due(
            [each for each in closure([job], above) if not verdicts[each].good], seconds
        )
        if verdict.state is State.MISSING:
            return ProductState(name, verdict.state, due)
        return ProductState(name, verdict.state, f"{_tell_cause(job, verdicts)}; {due}")

    for job in names:
        if job.split("/")[0] in ("figures", "tables"):
            yield judge(targets[job], job)
    if "claims" not in names:
        return
    yield judge("claims", "claims")
    if verdicts["claims"].good:
        return
    for part in claim_parts(plan.study):
        if part.quantities:
            measured = plan.made_by[str(part.quantities)]
            yield from (
                judge(f"{claim} from {part.experiment}", measured) for claim in part.shown_in
            )


def _tell_due(due: list[str], seconds: Mapping[str, float]) -> str:
    """How many jobs are to run, and how much work that is."""
    known = [seconds[name] for name in due if name in seconds]
    work = f", {tell_duration(sum(known))} of work" if known else ""
    return f"{len(due)} {'job' if len(due) == 1 else 'jobs'} to run{work}"


def _tell_cause(job: str, verdicts: Mapping[str, Verdict]) -> str:
    """The reason of the job at which a chain of stale jobs begins."""
    cause = job
    while (other := verdicts[cause].above) is not None:
        cause = other
    reason = verdicts[cause].reason
    return reason if cause == job else f"{cause}: {reason}"


def describe_products(products: list[ProductState], width: int) -> list[Text]:
    """One line for each product, no longer than width, below a line that counts them."""
    if not products:
        return []
    counts = Counter(product.state for product in products)
    told = ", ".join(f"{counts[state]} {state}" for state in _STYLES if counts[state])
    longest = max(len(product.name) for product in products)
    return [
        make_line(f"products: {told}", "bold", width),
        *(
            make_line(
                f"  {each.state:7}  {each.name:{longest}}  {each.text}", _STYLES[each.state], width
            )
            for each in products
        ),
    ]


def describe_process(
    plan: Plan, holder: Holder | None, state: RunState, queue: Mapping[str, str]
) -> list[str]:
    """Which process runs the study, and what to do if there is none."""
    tier, lines = plan.study.tier, []
    if holder:
        lines = [f"runs since {holder.since:%F %H:%M}: process {holder.pid} on {holder.host}"]
    elif queue:
        lines = [f"nothing submits further jobs: make resume TIER={tier}"]
    elif state.at_work:
        lines = ["jobs of a snakemake that was killed are at work: wait until they have ended"]
    elif not all(state.done.values()):
        lines = [f"nothing runs: make study TIER={tier} goes on"]
    if queue:
        states = Counter(each.lower() for each in queue.values())
        listed = ", ".join(f"{count} {name}" for name, count in states.items())
        lines.append(f"in SLURM's queue: {listed}")
    return lines


def read_queue(tier: str) -> dict[str, str]:
    """The states of a tier's jobs in SLURM's queue; empty if there is no SLURM, or no answer."""
    if shutil.which("squeue") is None:
        return {}
    try:
        return queued_jobs(tier)
    except StudyError:
        return {}


def show_status(plan: Plan, targets: list[str], console: Console) -> None:
    """Print the state of the targets of a plan."""
    names = jobs_of(plan, targets)
    verdicts = judge_jobs(plan, names, Contents(plan.results)).verdicts
    due = [name for name in names if not verdicts[name].good]
    holder, queue = find_holder(plan.results), read_queue(plan.study.tier)
    run = plan_run(plan, names, due, on_cluster=bool(queue))
    if not holder and not queue:
        run = replace(run, since=None)
    state = RunWatch(run).look()
    width = console.width if console.is_terminal else _WIDE
    heads = [f"{plan.study.tier}: {tell_share(state)}"]
    heads += describe_process(plan, holder, state, queue)
    for line in describe_run(heads, state, width):
        console.print(line, soft_wrap=True)
    for line in describe_products(list(judge_products(plan, names, verdicts, run.seconds)), width):
        console.print(line, soft_wrap=True)


def main() -> None:
    """Run the command line."""
    arguments = study_parser(__doc__).parse_args()
    show_status(read_plan(arguments), arguments.targets, Console(highlight=False))


if __name__ == "__main__":
    run_program(main)
