"""The jobs that make models: base models, fetched models, SFT, RL."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json
from workflow_scripts.common.jobs import Job, as_json
from workflow_scripts.model.shape import read_shape
from workflow_scripts.plan.study import Study
from workflow_scripts.train.run_folder import RunFolder


def base_models(study: Study) -> Iterator[Job]:
    """Jobs that train base models.

    If the repository ships base models of the same shape, another job compares them with the
    trained ones.
    """
    for name in study.base_tasks:
        arguments = {"settings": study.base_settings(name)}
        yield _training(study, f"base/{name}", "train.base:run_base", arguments, {})
    shipped = [f"data/base/{name}/model/manifest.json" for name in study.base_tasks]
    if not _are_shipped(study):
        return
    trained = [f"{study.results}/base/{name}/model/manifest.json" for name in study.base_tasks]
    path = f"{study.results}/base/comparison.md"
    yield Job(
        "base/comparison",
        "train.compare_base:compare_base",
        as_json(
            {
                "settings": [study.base_settings(name) for name in study.base_tasks],
                "trained": trained,
                "shipped": shipped,
                "output": path,
            }
        ),
        inputs={"trained": trained, "shipped": shipped},
        outputs={"page": path},
    )


def _are_shipped(study: Study) -> bool:
    """Whether data/base has, for every base model trained here, one of the same shape."""
    tasks = study.base_tasks
    configs = {name: Path(f"data/base/{name}/model/config.json") for name in tasks}
    return bool(tasks) and all(
        config.is_file() and read_shape(config) == study.trained_shape(tasks[name])
        for name, config in configs.items()
    )


def fetched_model(study: Study) -> Iterator[Job]:
    """The job that fetches a model from the Hugging Face hub, if the settings name a model."""
    hub = study.settings.model.hub
    if hub:
        folder = f"{study.results}/hub/model"
        manifest = f"{folder}/manifest.json"
        yield Job(
            "hub",
            "model.fetch:fetch",
            as_json({"hub": hub, "manifest": manifest}),
            inputs={},
            outputs={"manifest": manifest},
            trees=(folder,),
        )


def sft(study: Study) -> Iterator[Job]:
    """The jobs of the SFT runs."""
    for run in study.sft_runs.values():
        base = study.base_folder(run)
        data, validation = study.sft_file(run), study.heldout_files(run)
        arguments = {
            "settings": study.sft_settings(run),
            "seed": run.seed,
            "base": base,
            "data": data,
            "validation": validation,
        }
        inputs = {"base": model_files(study, base), "data": [data], "validation": validation}
        yield _training(study, study.run_name(run), "train.sft:run_sft", arguments, inputs)


def rl(study: Study) -> Iterator[Job]:
    """The jobs of the RL runs. Models saved at the steps rl.scored_steps are outputs too."""
    for run in study.rl_runs.values():
        folder, sft_model = study.run_folder(run), f"{study.run_folder(run.sft)}/model"
        prompts = study.prompts_file(run)
        arguments = {
            "settings": study.rl_settings(run),
            "seed": run.seed,
            "sft": sft_model,
            "prompts": prompts,
        }
        inputs = {"sft": model_files(study, sft_model), "prompts": [prompts]}
        job = _training(study, study.run_name(run), "train.grpo:train_grpo", arguments, inputs)
        outputs = {**job.outputs, "rollouts": f"{folder}/rollouts.csv"}
        for step, checkpoint in study.evaluated_models(run, "checkpoints").items():
            outputs[f"step_{step}"] = f"{checkpoint}/manifest.json"
        yield replace(job, outputs=outputs, trees=(*job.trees, f"{folder}/checkpoints"))


def model_files(study: Study, folder: str) -> list[str]:
    """The files of a model that are inputs of a job.

    If a job makes the model, the manifest is the only input, since it has the hashes of the other
    files. Raises StudyError if the manifest is damaged.
    """
    manifest = f"{folder}/manifest.json"
    if folder.startswith(f"{study.results}/") or not Path(manifest).is_file():
        return [manifest]
    try:
        files = [f"{folder}/{name}" for name in read_json(Path(manifest))["files"]]
    except (StudyError, KeyError, TypeError):
        raise StudyError(
            f"{manifest} is damaged: put that model there again (git checkout {folder}, if it "
            "came with the project)"
        ) from None
    return [manifest, *files]


def _training(
    study: Study,
    name: str,
    program: str,
    arguments: Mapping[str, object],
    inputs: dict[str, list[str]],
) -> Job:
    """A job that trains a model, with checkpoints, in the folder named after the job."""
    place = RunFolder(Path(study.results, name), study.settings.checkpoint_seconds)
    return Job(
        name,
        program,
        as_json({**arguments, "run": place}),
        inputs,
        {
            "manifest": f"{place.model}/manifest.json",
            "log": str(place.log),
            "record": str(place.record),
        },
        trees=(str(place.model),),
        ignored=("run.checkpoint_seconds",),
        scratch=str(place.scratch),
    )
