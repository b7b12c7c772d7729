"""The jobs that draw data sets."""

from collections.abc import Iterator
from pathlib import Path

from workflow_scripts.common.jobs import Job
from workflow_scripts.plan.study import RlRun, SftRun, Study
from workflow_scripts.task.datasets import SPLITS


def _name_of(path: str) -> str:
    return Path(path).with_suffix("").name


def data_sets(study: Study) -> Iterator[Job]:
    data = study.settings.data
    for folder, settings in study.fields.items():
        place, task = f"data/{Path(folder).name}", settings.task.model_dump()
        for kind, mix in study.validation_kinds.items():
            yield Job(
                f"{place}/validation-{kind}",
                "task.datasets:make_validation",
                {
                    "task": task,
                    "mix": mix,
                    "n": data.validation_problems,
                    "dev": f"{folder}/dev-{kind}.jsonl",
                    "final": f"{folder}/final-{kind}.jsonl",
                },
                inputs={},
                outputs={split: f"{folder}/{split}-{kind}.jsonl" for split in SPLITS},
            )
    for run in study.sft_runs.values():
        yield from _sft_data(study, run)
    for run in study.rl_runs.values():
        path = study.prompts_file(run)
        arguments = {"mix": study.prompt_mix(run.prompts), "n": data.rl_prompts}
        yield _training_set(study, "make_prompts", run, path, arguments)


def _sft_data(study: Study, run: SftRun) -> Iterator[Job]:
    mix = study.sft_mix(run.data_mix)
    arguments = {"mix": mix, "n": study.sft_examples(run.data_mix), "seed": run.seed}
    yield _training_set(study, "make_sft", run, study.sft_file(run), arguments)
    for split, path in zip(SPLITS, study.heldout_files(run), strict=True):
        validation = f"{run.data_folder}/{split}-{study.heldout_kind(run.data_mix)}.jsonl"
        task = run.settings.task.model_dump()
        yield Job(
            f"data/{Path(run.data_folder).name}/{_name_of(path)}",
            "task.datasets:make_heldout",
            {"task": task, "mix": mix, "validation": validation, "output": path},
            inputs={"validation": [validation]},
            outputs={"data": path},
        )


def _training_set(
    study: Study, program: str, run: SftRun | RlRun, path: str, arguments: dict
) -> Job:
    """Data that keep out all validation problems of their task."""
    validation = [
        f"{run.data_folder}/{split}-{kind}.jsonl"
        for kind in study.validation_kinds
        for split in SPLITS
    ]
    task = run.settings.task.model_dump()
    return Job(
        f"data/{Path(run.data_folder).name}/{_name_of(path)}",
        f"task.datasets:{program}",
        {"task": task, **arguments, "validation": validation, "output": path},
        inputs={"validation": validation},
        outputs={"data": path},
    )
