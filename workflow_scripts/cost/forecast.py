"""What the targets of a tier cost, before anything runs: work, hours, disk.

    snakemake cost --configfile config/paper.yaml

Work is counted from the study's run grid: optimizer steps, RL steps, rollouts, and tokens at most,
as many as `rl.max_new_tokens` allows. Hours are that work at rates that were measured, each named
with where it was measured; without a rate they are "not measured".
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workflow_scripts.common.files import read_json
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.plan.study import RlRun, SftRun, Study
from workflow_scripts.report import products
from workflow_scripts.settings import Settings

REFERENCE = Path("results/reference")
DEVICES = (4, 16)  # for which wall time is told; on one it is all the hours
_NOT_MEASURED = "not measured"
_FLOAT32 = 4
_ROLLOUT = 60  # bytes of a rollout in its parquet file, of solutions of 2-9 steps
_CHECKPOINTS = 3  # of a run at work: the newest, the one before it, and the one being written


@dataclass(frozen=True)
class Job:
    """A job in which a model is at work."""

    stage: str
    kind: str = ""  # of rollouts: the evaluation
    each: str = ""  # its size, in words
    steps: int = 0  # optimizer steps
    rollouts: int = 0
    tokens: int = 0  # sampled, at most
    disk: int = 0  # bytes that stay
    scratch: int = 0  # bytes more while it is at work
    after: str | None = None  # the job that it waits for

    @property
    def work(self) -> dict[str, int]:
        return {"job": 1, "step": self.steps, "rollout": self.rollouts}


@dataclass(frozen=True)
class Rate:
    """Seconds for a unit of work, and what that rests on."""

    seconds: float
    unit: str  # job, step or rollout
    source: str


Rates = dict[tuple[str, str], Rate]  # by stage and kind; the kind "" serves all of a stage


# ---- work -------------------------------------------------------------------------------------


def _trained_parameters(study: Study, run: SftRun) -> int:
    model, shape = run.settings.model, study.base_shape(run)
    if model.adaptation == "full":
        return shape.parameters
    return shape.adapter_parameters(model.lora.r, model.lora.target_modules)


def count_jobs(study: Study) -> dict[str, Job]:
    """The jobs of a study in which a model is at work, by name."""
    jobs: dict[str, Job] = {}
    for run in study.sft_runs.values():
        folder, base = study.base_folder(run), run.settings.base
        if study.is_trained_here(folder):
            size = _FLOAT32 * study.base_shape(run).parameters
            each = f"{base.steps} steps of {base.batch_size} documents"
            jobs[folder] = Job(
                "base", each=each, steps=base.steps, disk=size, scratch=3 * size * _CHECKPOINTS
            )
        sft, size = run.settings.sft, _FLOAT32 * _trained_parameters(study, run)
        steps = sft.epochs * (study.sft_examples(run.data_mix) // sft.batch_size)
        jobs[run.name] = Job(
            "sft",
            each=f"{steps} steps of {sft.batch_size} examples",
            steps=steps,
            disk=size,
            scratch=3 * size * _CHECKPOINTS,
            after=folder if folder in jobs else None,
        )
    for run in study.rl_runs.values():
        rl, size = run.settings.rl, _FLOAT32 * _trained_parameters(study, run.sft)
        jobs[run.name] = Job(
            "rl",
            each=f"{rl.steps} steps of {rl.batch_size} completions",
            steps=rl.steps,
            rollouts=rl.steps * rl.batch_size,
            tokens=rl.steps * rl.batch_size * rl.max_new_tokens,
            disk=size * (1 + len(rl.scored_steps)),
            scratch=3 * size * _CHECKPOINTS,
            after=run.sft.name,
        )
    for member in (member for some in study.members.values() for member in some):
        for name in member.evaluations:
            jobs[_sampling(member.run, name)] = _count_rollouts(study, member.run, name)
    return jobs


def _sampling(run: SftRun | RlRun, evaluation: str) -> str:
    return f"{run.name}/{evaluation}"


def _count_rollouts(study: Study, run: SftRun | RlRun, name: str) -> Job:
    evaluation, settings = study.evaluations[name], study.settings
    n_models = len(study.sampled_models(run, name))
    n_problems = evaluation.n_problems or settings.data.validation_problems
    n = n_models * n_problems * evaluation.n_samples
    several = f"{n_models} checkpoints x " if evaluation.checkpoints else ""
    return Job(
        "rollouts",
        name,
        each=f"{several}{n_problems} problems x {evaluation.n_samples} samples",
        rollouts=n,
        tokens=n * run.settings.rl.max_new_tokens,
        disk=n * _ROLLOUT,
        after=run.name,
    )


def with_what_they_wait_for(names: Iterable[str], jobs: dict[str, Job]) -> set[str]:
    needed: set[str] = set()
    for name in names:
        while name and name not in needed:
            needed.add(name)
            name = jobs[name].after
    return needed


def count_targets(study: Study, jobs: dict[str, Job]) -> dict[str, set[str]]:
    """The jobs that each target needs if it is the only one, by the name that people type."""
    targets = {}
    shown = (("table", products.tables), ("fig", products.figures))
    for prefix, products_of in shown:
        for name, product in products_of(study.settings).items():
            experiment = product.experiment
            runs = study.trained(product.training, "rl") if product.training else []
            runs += study.trained(experiment, "sft") if product.sft else []
            needed = [run["run"] for run in runs]
            needed += [
                _sampling(study.runs[member["run"]], evaluation)
                for evaluation in product.evaluations
                for member in study.evaluated(experiment, evaluation)
            ]
            target = products.target_name(prefix, name)
            targets[target] = with_what_they_wait_for(needed, jobs)
    for experiment, members in study.members.items():
        needed = [_sampling(m.run, name) for m in members for name in m.evaluations]
        targets[experiment] = with_what_they_wait_for(needed, jobs)
    return {**targets, "all": set(jobs)}


# ---- rates ------------------------------------------------------------------------------------


def recorded_rates(folder: Path) -> Rates:
    """Medians over the jobs of a recorded tier: of training by the step, of rollouts by the job."""
    cost = pd.read_csv(folder / "cost.csv")
    rows, devices = [], set()
    for row in cost.itertuples():
        record = folder / row.stage / str(row.job) / "run.json"
        if row.stage == "rollouts":
            rows.append(("rollouts", row.job.rpartition("-")[2], "job", row.wall_seconds))
        elif row.stage in ("base", "sft", "rl") and record.is_file():
            run = read_json(record)
            steps = run.get("steps") or run["settings"]["base"]["steps"]
            rows.append((row.stage, "", "step", row.wall_seconds / steps))
            devices.add(run["device"])
    frame = pd.DataFrame(rows, columns=["stage", "kind", "unit", "seconds"])
    source = f"median of {{n}} in {folder / 'cost.csv'}, {' and '.join(sorted(devices))}"
    return {
        (stage, kind): Rate(some["seconds"].median(), unit, source.format(n=len(some)))
        for (stage, kind, unit), some in frame.groupby(["stage", "kind", "unit"])
    }


def checked_rates(path: Path, tier: str) -> Rates:
    """What `make gpu-check` measured at the shapes of a tier, if it did."""
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
    return {**rates, ("rollouts", ""): Rate(per_rollout, "rollout", source)}


def find_rates(tier: str, reference: Path) -> Rates:
    """The rates of a tier: of a recorded run of it, else of the check on a GPU."""
    if (reference / tier / "cost.csv").is_file():
        return recorded_rates(reference / tier)
    return checked_rates(reference / "gpu" / "rates.json", tier)


def _rate_of(job: Job, rates: Rates) -> Rate | None:
    return rates.get((job.stage, job.kind)) or rates.get((job.stage, ""))


def seconds_of(job: Job, rates: Rates) -> float | None:
    """How long a job takes, None if that was not measured."""
    rate = _rate_of(job, rates)
    return rate and rate.seconds * job.work[rate.unit]


# ---- tables -----------------------------------------------------------------------------------


def _hours(seconds: Iterable[float | None]) -> str:
    """A sum of seconds as hours; with a plus where some were not measured."""
    seconds = list(seconds)
    known = [s for s in seconds if s is not None]
    if not known:
        return _NOT_MEASURED
    return f"{sum(known) / 3600:.2f}" + (" +" if len(known) < len(seconds) else "")


def _wall(some: dict[str, Job], seconds: dict[str, float | None], n: int) -> str:
    """Hours on n devices at best: all work shared evenly, or the longest chain of jobs."""
    if None in (seconds[name] for name in some):
        return _NOT_MEASURED
    chains = [sum(seconds[job] for job in with_what_they_wait_for([name], some)) for name in some]
    return f"{max(sum(seconds[name] for name in some) / n, *chains) / 3600:.2f}"


def stage_table(jobs: dict[str, Job], rates: Rates) -> pd.DataFrame:
    """Each stage and evaluation: how many jobs of which size, hours, and what they rest on."""
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in jobs.values():
        groups.setdefault((job.stage, job.kind), []).append(job)
    rows = []
    for (stage, kind), some in groups.items():
        rate = _rate_of(some[0], rates)
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
    targets: dict[str, set[str]], jobs: dict[str, Job], rates: Rates, unit: str
) -> pd.DataFrame:
    """Each target alone, as if nothing had been made for another; "all" has every job once."""
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
    """The page of a tier: its stages, then its targets."""
    study = Study(settings)
    jobs, rates = count_jobs(study), find_rates(settings.tier, reference)
    scratch = max(job.scratch for job in jobs.values()) / 1e9
    unit = "GPU" if settings.model.device == "cuda" else "core"
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


def show(settings: Settings) -> None:
    """Print the page of a tier."""
    print(forecast(settings))


if __name__ == "__main__":
    run_stage(__doc__)
