"""Forecast the cost of a tier's targets before anything runs: work, hours, disk.

    snakemake cost --configfile config/paper.yaml

Work is counted from the runs of the study: optimizer steps, RL steps, rollouts, and the largest
possible number of tokens (`rl.max_new_tokens` for each response). Hours are work multiplied by
measured rates (seconds per unit of work); the page names the source of each rate. Without a rate,
hours are shown as "not measured".
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.cost.rates import Rates, base_rates, find_rates, rate_of, seconds_of
from workflow_scripts.cost.work import Work, count_targets, count_work, with_predecessors
from workflow_scripts.plan.settings import Settings
from workflow_scripts.plan.study import Study

REFERENCE = Path("results/reference")
DEVICES = (4, 16)  # the page shows the wall time on these numbers of devices
_NOT_MEASURED = "not measured"


def _hours(seconds: Iterable[float | None]) -> str:
    """The sum of seconds, as hours. A plus follows if some terms (None) were not measured."""
    seconds = list(seconds)
    known = [s for s in seconds if s is not None]
    if not known:
        return _NOT_MEASURED
    return f"{sum(known) / 3600:.2f}" + (" +" if len(known) < len(seconds) else "")


def _wall(some: dict[str, Work], seconds: dict[str, float | None], n: int) -> str:
    """A lower bound of the wall time in hours on n devices.

    The bound is the larger of two times: the total work divided by n, and the longest chain of jobs
    that wait for each other. seconds has the time of each job, or None if it was not measured.
    """
    known = {name: each for name in some if (each := seconds[name]) is not None}
    if len(known) < len(some):
        return _NOT_MEASURED
    chains = [sum(known[job] for job in with_predecessors([name], some)) for name in some]
    return f"{max(sum(known.values()) / n, *chains) / 3600:.2f}"


def stage_table(jobs: dict[str, Work], rates: Rates) -> pd.DataFrame:
    """One row per stage and evaluation: jobs, their sizes, hours, and the source of the rate."""
    groups: dict[tuple[str, str], list[Work]] = {}
    for job in jobs.values():
        groups.setdefault((job.stage, job.kind), []).append(job)
    rows = []
    for (stage, kind), some in groups.items():
        rate = rate_of(some[0], rates)
        sizes = Counter(job.each for job in some)
        rows.append(
            {
                "stage": f"{stage} {kind}".strip(),
                "jobs": len(some),
                "each": "; ".join(
                    each if len(sizes) == 1 else f"{n}: {each}" for each, n in sizes.items()
                ),
                "rollouts": sum(job.rollouts for job in some),
                "tokens at most, millions": sum(job.tokens for job in some) / 1e6,
                "disk, GB": sum(job.disk for job in some) / 1e9,
                "hours": _hours(seconds_of(job, rates) for job in some),
                "rests on": rate.source if rate else _NOT_MEASURED,
            }
        )
    return pd.DataFrame(rows)


def target_table(
    targets: dict[str, set[str]], jobs: dict[str, Work], rates: Rates, unit: str
) -> pd.DataFrame:
    """One row per target: the cost of the target if nothing has been made before."""
    seconds = {name: seconds_of(job, rates) for name, job in jobs.items()}
    rows = []
    for target, names in targets.items():
        some = {name: jobs[name] for name in names}
        count = Counter(job.stage for job in some.values())
        steps = {
            stage: sum(job.steps for job in some.values() if job.stage == stage) for stage in count
        }
        rows.append(
            {
                "target": target,
                "SFT runs": count["sft"],
                "SFT steps": steps["sft"],
                "RL runs": count["rl"],
                "RL steps": steps.get("rl", 0),
                "rollouts": sum(job.rollouts for job in some.values()),
                "tokens at most, millions": sum(job.tokens for job in some.values()) / 1e6,
                "disk, GB": sum(job.disk for job in some.values()) / 1e9,
                f"{unit} hours": _hours(seconds[name] for name in names),
                **{f"wall hours on {n}": _wall(some, seconds, n) for n in DEVICES},
            }
        )
    return pd.DataFrame(rows)


def forecast(settings: Settings, reference: Path = REFERENCE) -> str:
    """The text of the page of a tier: a table of stages, and a table of targets."""
    study = Study(settings)
    jobs = count_work(study)
    rates = base_rates_of(study, reference) | find_rates(settings.tier, reference, jobs)
    scratch = max(job.scratch for job in jobs.values()) / 1e9
    unit = "core" if settings.model.device == "cpu" else "GPU"
    targets = target_table(count_targets(study, jobs), jobs, rates, unit)
    return "\n".join(
        [
            f"The tier {settings.tier}: what it costs from nothing, in {unit} hours.",
            "",
            stage_table(jobs, rates).to_markdown(index=False, floatfmt=".2f"),
            "",
            "Each target alone, and all of them, with the runs that they share once. Rollouts and "
            f"tokens are those of RL too; wall time is that on several {unit}s at best; a plus "
            "stands for stages without a rate.",
            "",
            targets.to_markdown(index=False, floatfmt=".2f"),
            "",
            f"A run at work needs up to {scratch:.2f} GB more for its checkpoints. Data, labels, "
            "scores, tables and figures take seconds each on one core and are not counted.",
        ]
    )


def base_rates_of(study: Study, reference: Path) -> Rates:
    """The rate of a study's base models; empty if there is none, or none like them is recorded."""
    name = next(iter(study.base_tasks), None)
    return base_rates(reference, study.base_settings(name)) if name else {}


def tell_base_models(study: Study, reference: Path = REFERENCE) -> str | None:
    """A line on the base models that the study trains since none is shipped for their tasks.

    None if there are none, or if they are trained already.
    """
    names = [
        name
        for name in study.unshipped_base_models
        if not Path(study.results, "base", name, "model", "manifest.json").is_file()
    ]
    if not names:
        return None
    steps, rate = study.settings.base.steps, base_rates_of(study, reference).get(("base", ""))
    time = (
        f"about {steps * rate.seconds / 60:.1f} minutes ({rate.source})" if rate else _NOT_MEASURED
    )
    return (
        f"No base model is shipped for {', '.join(names)}: the study trains those that it needs, "
        f"in {study.results}/base; each takes {steps} steps, {time}"
    )


def show(settings: Settings) -> None:
    """Print the forecast of a tier."""
    print(forecast(settings))


if __name__ == "__main__":
    run_stage(__doc__)
