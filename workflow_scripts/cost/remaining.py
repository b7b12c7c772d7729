"""The time that is left of a study: the forecast of each job, and what jobs come to together."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from workflow_scripts.common.errors import StudyError
from workflow_scripts.cost.forecast import REFERENCE
from workflow_scripts.cost.measured import cost_table
from workflow_scripts.cost.rates import find_rates, seconds_of
from workflow_scripts.cost.work import count_work
from workflow_scripts.plan.plan import Plan, short_path

# This many forecast seconds weigh as if they had been measured to be right, so that the first short
# jobs do not decide the pace.
_BELIEVED = 30.0
# A job that took a smaller share of its forecast was put back from the run cache.
_PUT_BACK = 0.1


def forecast_jobs(plan: Plan, reference: Path = REFERENCE) -> dict[str, float]:
    """The forecast wall seconds of each job, from measured costs.

    The costs are those of reference/<tier>; else of the tier's own jobs so far; else of the GPU
    check. A job is forecast by its own cost, else by the rate of its work, else by the median of
    its stage, else by that of all jobs. Jobs without any of them are left out.
    """
    work, tier = count_work(plan.study), plan.study.tier
    rates = find_rates(tier, reference, work)
    cost = _measured_costs(plan.results, reference / tier)
    own = {(stage, job): s for stage, job, s in cost.itertuples(index=False)}
    stages = cost.groupby("stage")["wall_seconds"].median().to_dict()
    usual = cost["wall_seconds"].median() if len(cost) else None
    seconds = {}
    for name in plan.jobs:
        stage, _, rest = short_path(name).partition("/")
        known = own.get((stage, rest or stage))
        if known is None and (counted := work.get(_work_name(plan, name))):
            known = seconds_of(counted, rates)
        if known is None:
            known = stages.get(stage, usual)
        if known is not None:
            seconds[name] = known
    return seconds


def _measured_costs(results: Path, recorded: Path) -> pd.DataFrame:
    """The stage, name and wall seconds of the jobs of a tier: recorded, else those run so far."""
    columns, path = ["stage", "job", "wall_seconds"], recorded / "cost.csv"
    try:
        cost = pd.read_csv(path) if path.is_file() else cost_table(results / "benchmarks")
    except (StudyError, ValueError, LookupError):  # nothing has run, or a job is being measured
        cost = pd.DataFrame(columns=columns)
    return cost[columns].astype({"job": str, "wall_seconds": float})


def _work_name(plan: Plan, job: str) -> str:
    """The name of a job in `count_work`."""
    stage, _, rest = job.partition("/")
    return f"{plan.results}/base/{rest}/model" if stage == "base" else rest


def measured_pace(plan: Plan, done: Iterable[str], forecast: Mapping[str, float]) -> float:
    """How many times as long as forecast the finished jobs took here.

    A job's cost is that of its last run. Jobs without a forecast or a cost do not count.
    """
    took = expected = _BELIEVED
    for name in done:
        if seconds := forecast.get(name):
            wall = _wall_seconds(plan.benchmark_file(name))
            if wall is not None and wall >= _PUT_BACK * seconds:
                took, expected = took + wall, expected + seconds
    return took / expected


def _wall_seconds(benchmark: Path) -> float | None:
    """The first column of a benchmark file of Snakemake, None if there is no whole file."""
    try:
        return float(benchmark.read_text(encoding="utf-8").splitlines()[1].split("\t")[0])
    except (OSError, ValueError, IndexError):
        return None


def seconds_left(left: Mapping[str, float], above: Mapping[str, list[str]], slots: int) -> float:
    """The wall seconds that jobs take together, if slots of them run at a time.

    left has the seconds of each job, in an order of execution. above has the jobs that each job
    reads from; those that are not in left are done. No time is shorter than the longest chain.
    """
    chains: dict[str, float] = {}
    for name, seconds in left.items():
        chains[name] = seconds + max((chains.get(other, 0.0) for other in above[name]), default=0.0)
    return max([sum(left.values()) / slots, *chains.values()])
