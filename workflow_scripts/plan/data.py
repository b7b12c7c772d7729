"""The jobs that draw data sets."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from workflow_scripts.common.jobs import Job, as_json
from workflow_scripts.experiments.runs import RlRun, SftRun
from workflow_scripts.plan.study import Study
from workflow_scripts.task.datasets import SPLITS


def data_sets(study: Study) -> Iterator[Job]:
    """Jobs for validation sets, then for the data of each run.

    Runs that share a data set yield the same job several times.
    """
    n_problems = study.settings.data.validation_problems
    for folder, task in study.tasks.items():
        for kind, mix in study.validation_kinds.items():
            splits = {split: f"{folder}/{split}-{kind}.jsonl" for split in SPLITS}
            yield Job(
                f"data/{Path(folder).name}/validation-{kind}",
                "task.datasets:make_validation",
                as_json({"task": task, "mix": mix, "n": n_problems, **splits}),
                inputs={},
                outputs=splits,
            )
    for sft_run in study.sft_runs.values():
        yield _sft_set(study, sft_run)
        yield from _heldout_sets(study, sft_run)
    for rl_run in study.rl_runs.values():
        yield _prompts(study, rl_run)


def _sft_set(study: Study, run: SftRun) -> Job:
    arguments = {"mix": run.data.mix, "n": run.data.n_examples, "seed": run.seed}
    return _training_set(study, "make_sft", run, study.sft_file(run), arguments)


def _heldout_sets(study: Study, run: SftRun) -> Iterator[Job]:
    for split, path in zip(SPLITS, study.heldout_files(run), strict=True):
        validation = f"{run.data_folder}/{split}-{run.data.heldout}.jsonl"
        arguments = {
            "task": run.settings.task,
            "mix": run.data.mix,
            "validation": validation,
            "output": path,
        }
        yield Job(
            _name_of(path),
            "task.datasets:make_heldout",
            as_json(arguments),
            inputs={"validation": [validation]},
            outputs={"data": path},
        )


def _prompts(study: Study, run: RlRun) -> Job:
    arguments = {"mix": run.prompts.mix, "n": run.prompts.n_prompts, "seed": run.seed}
    return _training_set(study, "make_prompts", run, study.prompts_file(run), arguments)


def _training_set(
    study: Study, program: str, run: SftRun | RlRun, path: str, arguments: Mapping[str, object]
) -> Job:
    """A job for training data.

    Training data exclude the problems of all validation sets of the same task.
    """
    validation = [
        f"{run.data_folder}/{split}-{kind}.jsonl"
        for kind in study.validation_kinds
        for split in SPLITS
    ]
    everything = {
        "task": run.settings.task,
        **arguments,
        "validation": validation,
        "output": path,
    }
    return Job(
        _name_of(path),
        f"task.datasets:{program}",
        as_json(everything),
        inputs={"validation": validation},
        outputs={"data": path},
    )


def _name_of(path: str) -> str:
    """The name of a data set's job: the path of the data set without tier and suffix."""
    file = Path(path)
    return f"data/{file.parent.name}/{file.with_suffix('').name}"
