"""All jobs of a study, and the jobs of each target.

A target is a name that users type after `snakemake`, such as fig_routing. Snakemake's rules define
how jobs run. This package alone defines their arguments, inputs and outputs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.jobs import Job, as_json
from workflow_scripts.common.provenance import code_hash
from workflow_scripts.plan.data import data_sets
from workflow_scripts.plan.evaluation import collections, rollouts
from workflow_scripts.plan.products import figures, products, tables, target_name
from workflow_scripts.plan.settings import Settings
from workflow_scripts.plan.study import Study
from workflow_scripts.plan.training import base_models, fetched_model, model_files, rl, sft
from workflow_scripts.train.scratch import planned_digest

# Targets that consist of one job. A tier without the job does not have the target.
_SINGLE = {
    "claims": "claims",
    "fetch_model": "hub",
    "rebuild_base": "base/comparison",
    "rl_benchmark": "rl_benchmark",
}
# The reason, for an error message, why a tier may lack a target.
_NOT_OFFERED = {
    "fetch_model": "its model.hub names no model to fetch",
    "rebuild_base": "no base model of its shape is shipped in data/base, to compare with",
}


@dataclass(frozen=True)
class Plan:
    """The jobs of a study, and the jobs of each target."""

    study: Study

    @property
    def settings(self) -> Settings:
        """The settings of the study."""
        return self.study.settings

    @property
    def results(self) -> Path:
        """The folder of all results."""
        return Path(self.study.results)

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """All jobs by name."""
        study = self.study
        trained = [*base_models(study), *sft(study), *rl(study)]
        groups = (
            data_sets(study),
            fetched_model(study),
            trained,
            rollouts(study),
            collections(study),
            products(study),
            tools(study, trained),
        )
        return {job.name: job for group in groups for job in group}

    @cached_property
    def made_by(self) -> dict[str, str]:
        """For each declared output, the name of the job that makes it."""
        return {file: name for name, job in self.jobs.items() for file in job.outputs.values()}

    @cached_property
    def targets(self) -> dict[str, list[str]]:
        """The names of the jobs of each target, by the name that users type."""
        study = self.study
        named: dict[str, list[str]] = {}
        by_experiment: dict[str, list[str]] = {name: [] for name in study.experiments}
        drawn = [("fig", f"figures/{n}", n, e) for n, (e, _) in figures(study).items()]
        written = [("table", f"tables/{n}", n, e) for n, (e, _) in tables(study).items()]
        for prefix, job, name, experiment in [*drawn, *written]:
            named[target_name(prefix, name)] = [job]
            by_experiment[experiment.name].append(job)
        products = [job for jobs in named.values() for job in jobs]
        kinds = ("metrics", "mistakes", "quantities", "provenance")
        estimates = {
            name: [job for kind in kinds if (job := f"{kind}/{name}") in self.jobs]
            for name in by_experiment
        }
        everything = [*products, *(job for jobs in estimates.values() for job in jobs), "claims"]
        experiments = {name: [*jobs, *estimates[name]] for name, jobs in by_experiment.items()}
        single = {target: [job] for target, job in _SINGLE.items() if job in self.jobs}
        return {"all": everything, **named, **experiments, **single}

    def log_file(self, job: str) -> Path:
        """The log of a job, as its rule names it."""
        return self.results / "logs" / f"{short_path(job)}.log"

    def benchmark_file(self, job: str) -> Path:
        """The file of Snakemake with the measured cost of a job, as its rule names it."""
        return self.results / "benchmarks" / f"{short_path(job)}.tsv"

    def outputs(self, target: str) -> list[str]:
        """The output files of a target's jobs."""
        return [file for job in self.targets[target] for file in self.jobs[job].outputs.values()]


def short_path(job: str) -> str:
    """The path of a job's log and benchmark: rollouts/FB-s0-steps for rollouts/FB-s0/steps."""
    stage, *rest = job.split("/")
    return "/".join([stage, "-".join(rest)] if rest else [stage])


def tools(study: Study, trained: Iterable[Job]) -> Iterator[Job]:
    """Jobs that make no result of the study: the forecast, cleaning up, and the benchmark.

    trained are the jobs that train models. Cleaning up keeps the checkpoints of these jobs.
    """
    yield Job("cost", "cost.forecast:show", as_json({"settings": study.settings}), {}, {})
    planned = {
        str(Path(job.scratch).parent): planned_digest(
            job.module,
            job.arguments["settings"],
            job.arguments.get("seed", study.settings.base.seed),
            code_hash(job.module),
        )
        for job in trained
        if job.scratch
    }
    arguments = {"results": study.results, "planned": planned}
    yield Job("clean_scratch", "train.scratch:clean", arguments, {}, {})
    if study.members.get("main"):
        yield _benchmark(study)


def _benchmark(study: Study) -> Job:
    run = study.hardest_run
    models = {
        "sft": f"{study.run_folder(run.sft)}/model",
        "rl": f"{study.run_folder(run)}/model",
    }
    prompts, path = study.prompts_file(run), f"{study.results}/rl_benchmark.json"
    settings = study.rl_settings(run)
    return Job(
        "rl_benchmark",
        "cost.benchmark:write_benchmark",
        as_json(
            {
                "settings": settings,
                "batch_size": study.settings.sampling.batch_size,
                **models,
                "prompts": prompts,
                "output": path,
            }
        ),
        inputs={
            **{name: model_files(study, model) for name, model in models.items()},
            "prompts": [prompts],
        },
        outputs={"seconds": path},
    )


def find_jobs(plan: Plan, target: str) -> list[str]:
    """The jobs of a target, or the job that makes a file.

    Raises StudyError, with similar names, if target is neither a target nor the output of a job.
    """
    if target in plan.targets:
        return plan.targets[target]
    if target in plan.made_by:
        return [plan.made_by[target]]
    raise _unknown_target(plan, target)


def _unknown_target(plan: Plan, target: str) -> StudyError:
    """The error for an unknown target, which suggests targets with similar names."""
    known = [*plan.targets, *(plan.made_by if "/" in target else ())]
    alike = get_close_matches(target, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(alike)}?" if alike else f"known: {', '.join(plan.targets)}"
    hint = _NOT_OFFERED.get(target, hint)
    return StudyError(f"{target}: no such target of the tier {plan.study.tier}; {hint}")
