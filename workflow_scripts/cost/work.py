"""Count the work of a study from its runs, before anything runs."""

from collections.abc import Iterable
from dataclasses import dataclass

from workflow_scripts.experiments.runs import SftRun
from workflow_scripts.plan.products import figures, tables, target_name
from workflow_scripts.plan.study import Run, Study

_FLOAT32 = 4  # bytes
_ADAMW = 3  # numbers per parameter in a checkpoint: the weight and AdamW's two moments
_ROLLOUT = 60  # bytes per rollout in a parquet file, measured on solutions of 2-9 steps
_EXACT = 20  # bytes of an exact measure of a problem
_CHECKPOINTS = 3  # on disk at once: the newest, the previous, and one that is being written


@dataclass(frozen=True)
class Work:
    """The work of one job that trains or samples a model."""

    stage: str
    kind: str = ""  # of rollouts and exact measures: the evaluation
    each: str = ""  # the size of the job, as text for the forecast
    steps: int = 0  # optimizer steps
    rollouts: int = 0  # sampled responses; of exact measures, scored solutions
    tokens: int = 0  # the largest possible number of sampled tokens
    disk: int = 0  # bytes of the job's outputs
    scratch: int = 0  # bytes of the job's checkpoints while the job runs
    after: str | None = None  # the name of the job that must end before this job can start

    @property
    def units(self) -> dict[str, int]:
        """The amount of work in each unit that a Rate may have."""
        return {"job": 1, "step": self.steps, "rollout": self.rollouts}


def _trained_parameters(study: Study, run: SftRun) -> int:
    model, shape = run.settings.model, study.base_shape(run)
    if model.adaptation == "full":
        return shape.parameters
    return shape.adapter_parameters(model.lora.r, model.lora.target_modules)


def count_work(study: Study) -> dict[str, Work]:
    """The work of all jobs that train or sample a model, by the name of the job."""
    jobs: dict[str, Work] = {}
    for run in study.sft_runs.values():
        folder, base = study.base_folder(run), run.settings.base
        if study.is_trained_here(folder):
            size = _FLOAT32 * study.base_shape(run).parameters
            each = f"{base.steps} steps of {base.batch_size} documents"
            scratch = _ADAMW * size * _CHECKPOINTS
            jobs[folder] = Work("base", each=each, steps=base.steps, disk=size, scratch=scratch)
        sft, size = run.settings.sft, _FLOAT32 * _trained_parameters(study, run)
        steps = sft.epochs * (run.data.n_examples // sft.batch_size)
        jobs[run.name] = Work(
            "sft",
            each=f"{steps} steps of {sft.batch_size} examples",
            steps=steps,
            disk=size,
            scratch=_ADAMW * size * _CHECKPOINTS,
            after=folder if folder in jobs else None,
        )
    for rl_run in study.rl_runs.values():
        rl, size = rl_run.settings.rl, _FLOAT32 * _trained_parameters(study, rl_run.sft)
        jobs[rl_run.name] = Work(
            "rl",
            each=f"{rl.steps} steps of {rl.batch_size} completions",
            steps=rl.steps,
            rollouts=rl.steps * rl.batch_size,
            tokens=rl.steps * rl.batch_size * rl.max_new_tokens,
            disk=size * (1 + len(rl.scored_steps)),
            scratch=_ADAMW * size * _CHECKPOINTS,
            after=rl_run.sft.name,
        )
    for member in (member for some in study.members.values() for member in some):
        for name in member.evaluations:
            jobs[evaluation_name(member.run.name, name)] = _count(study, member.run, name)
    return jobs


def evaluation_name(run: str, evaluation: str) -> str:
    """The name of the job that evaluates a run."""
    return f"{run}/{evaluation}"


def _count(study: Study, run: Run, name: str) -> Work:
    """The work of an evaluation: its rollouts, or the solutions that it scores exactly."""
    evaluation, size = study.evaluations[name], study.evaluations[name].size
    n_models = len(study.evaluated_models(run, name))
    n_problems = study.settings.data.validation_problems
    if size is None:
        n_temperatures = len(evaluation.temperatures)
        n = n_models * n_problems * n_temperatures
        return Work(
            "exact",
            name,
            each=f"{n_models} models x {n_problems} problems x {n_temperatures} temperatures",
            rollouts=n,
            disk=n * _EXACT,
            after=run.name,
        )
    n_problems = size.n_problems or n_problems
    n = n_models * n_problems * size.n_samples
    return Work(
        "rollouts",
        name,
        each=f"{n_problems} problems x {size.n_samples} samples",
        rollouts=n,
        tokens=n * run.settings.rl.max_new_tokens,
        disk=n * _ROLLOUT,
        after=run.name,
    )


def with_predecessors(names: Iterable[str], jobs: dict[str, Work]) -> set[str]:
    """The given jobs, and all jobs that must end before them."""
    needed: set[str] = set()
    for first in names:
        name: str | None = first
        while name and name not in needed:
            needed.add(name)
            name = jobs[name].after
    return needed


def count_targets(study: Study, jobs: dict[str, Work]) -> dict[str, set[str]]:
    """The names of all jobs that each target needs, by the name that users type."""
    targets = {}
    for prefix, products in (("table", tables(study)), ("fig", figures(study))):
        for name, (experiment, product) in products.items():
            needed = [
                evaluation_name(member.run.name, evaluation)
                for evaluation in product.scores
                for member in study.evaluated(experiment.name, evaluation)
            ]
            if product.training:
                needed += [run.name.run for run in study.rl_trained(product.training)]
            if product.sft:
                needed += [run.name.run for run in study.sft_validated(experiment.name)]
            targets[target_name(prefix, name)] = with_predecessors(needed, jobs)
    for experiment_name, members in study.members.items():
        evaluated = [evaluation_name(m.run.name, name) for m in members for name in m.evaluations]
        targets[experiment_name] = with_predecessors(evaluated, jobs)
    return {**targets, "all": set(jobs)}
