"""Measured rates: how many seconds a unit of work takes.

A kind is an evaluation, for rollouts and exact measures. Other stages have the kind "" only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd

from workflow_scripts.common.files import read_json
from workflow_scripts.cost.work import Work
from workflow_scripts.plan.study import SHIPPED_BASES
from workflow_scripts.settings.base import BaseSettings


@dataclass(frozen=True)
class Rate:
    """Seconds for a unit of work, and the source of this measurement."""

    seconds: float
    unit: str  # job, step or rollout
    source: str


Rates = dict[tuple[str, str], Rate]  # by (stage, kind); kind "" applies to all kinds of a stage


def reference_rates(folder: Path, jobs: Mapping[str, Work]) -> Rates:
    """Rates from a tier's reference results, in folder; see recorded_rates."""
    path = folder / "cost.csv"
    return recorded_rates(pd.read_csv(path, dtype={"job": str}), folder, jobs, str(path))


def recorded_rates(cost: pd.DataFrame, folder: Path, jobs: Mapping[str, Work], name: str) -> Rates:
    """Medians over jobs whose cost was measured.

    cost has the columns of cost.measured.cost_table; folder has the run.json of the jobs; name is
    the source of cost. Rates of training are per step. Rates of rollouts and exact measures are per
    job for each evaluation in cost, and per rollout for others. jobs are the tier's jobs under the
    current configuration. Evaluations of any other job are ignored.
    """
    # An evaluation is named <run>-<evaluation> in benchmarks, and <run>/<evaluation> in the plan.
    evaluated = {job.replace("/", "-"): work for job, work in jobs.items() if work.kind}
    rows, devices = [], set()
    for stage, job, wall_seconds in cost[["stage", "job", "wall_seconds"]].itertuples(index=False):
        record = folder / stage / job / "run.json"
        if stage in ("rollouts", "exact") and job in evaluated:
            rows.append((stage, evaluated[job].kind, "job", wall_seconds))
            rows.append((stage, "", "rollout", wall_seconds / evaluated[job].rollouts))
        elif stage in ("base", "sft", "rl") and record.is_file():
            run = read_json(record)
            steps = run.get("steps") or run["settings"]["base"]["steps"]
            rows.append((stage, "", "step", wall_seconds / steps))
            devices.add(run["device"])
    frame = pd.DataFrame(rows, columns=["stage", "kind", "unit", "seconds"])
    source = f"median of {{n}} in {name}, {' and '.join(sorted(devices))}"
    return {
        (str(stage), str(kind)): Rate(
            float(some["seconds"].median()), str(unit), source.format(n=len(some))
        )
        for (stage, kind, unit), some in frame.groupby(["stage", "kind", "unit"])
    }


def gpu_check_rates(path: Path, tier: str) -> Rates:
    """The rates of a tier that `make gpu-check` measured; empty if it measured none."""
    measured = read_json(path).get(tier) if path.is_file() else None
    if measured is None:
        return {}
    source = f"{path}, {measured['device']}, responses at the limit"
    rates = {
        (stage, ""): Rate(measured[stage]["seconds_per_step"], "step", source)
        for stage in ("base", "sft", "rl")
        if stage in measured
    }
    per_rollout = measured["rollouts"]["seconds_per_rollout"]
    # Scoring a given solution takes less than sampling a response of its length.
    return {
        **rates,
        ("rollouts", ""): Rate(per_rollout, "rollout", source),
        ("exact", ""): Rate(per_rollout, "rollout", f"{source}: at most as long as rollouts"),
    }


def base_rates(reference: Path, settings: BaseSettings) -> Rates:
    """The rate of training base models with these settings, whatever their task.

    It is the median over the records of shipped models, in data/base, and of those in the reference
    results. Empty if no such base model was recorded.
    """
    wanted, seconds = settings.model_dump(mode="json"), []
    for record in [*SHIPPED_BASES.glob("*/run.json"), *reference.glob("*/base/*/run.json")]:
        run = read_json(record)
        if all(run["settings"][section] == wanted[section] for section in ("base", "model")):
            seconds.append(run["wall_seconds"] / settings.base.steps)
    if not seconds:
        return {}
    source = f"median of {len(seconds)} recorded base models"
    return {("base", ""): Rate(median(seconds), "step", source)}


def find_rates(tier: str, reference: Path, jobs: Mapping[str, Work]) -> Rates:
    """The rates of a tier: from the tier's reference results, or else from `make gpu-check`."""
    if (reference / tier / "cost.csv").is_file():
        return reference_rates(reference / tier, jobs)
    return gpu_check_rates(reference / "gpu" / "rates.json", tier)


def rate_of(job: Work, rates: Rates) -> Rate | None:
    """The rate of a job's stage and kind, else the rate of its stage, else None."""
    return rates.get((job.stage, job.kind)) or rates.get((job.stage, ""))


def seconds_of(job: Work, rates: Rates) -> float | None:
    """The forecast seconds of a job, or None if there is no rate for the job."""
    rate = rate_of(job, rates)
    return rate.seconds * job.units[rate.unit] if rate else None
