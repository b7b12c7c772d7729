"""The jobs that sample models, label and count what they say, and estimate."""

from collections.abc import Iterable, Iterator

from workflow_scripts.common.jobs import Job
from workflow_scripts.plan.study import RlRun, SftRun, Study


def rollouts(study: Study) -> Iterator[Job]:
    sampled = {
        (member.run.name, evaluation): member.run
        for members in study.members.values()
        for member in members
        for evaluation in member.evaluations
    }
    for (name, evaluation), run in sampled.items():
        problems = study.problems_file(run, evaluation)
        rollouts = f"{study.results}/rollouts/{name}/{evaluation}.parquet"
        record = f"{study.results}/rollouts/{name}/{evaluation}.json"
        size, models = study.evaluations[evaluation], study.sampled_models(run, evaluation)
        yield Job(
            f"rollouts/{name}/{evaluation}",
            "evaluate.sample:sample",
            {
                "settings": study.sampling_settings(run),
                "run": name,
                "models": models,
                "problems": problems,
                "n_samples": size.n_samples,
                "n_problems": size.n_problems,
                "output": rollouts,
                "record": record,
            },
            inputs={
                "model": [f"{study.run_folder(run)}/model/manifest.json"],
                "checkpoints": [f"{folder}/manifest.json" for folder in models.values()],
                "problems": [problems],
            },
            outputs={"rollouts": rollouts, "record": record},
        )
        labels = f"{study.results}/labels/{name}/{evaluation}.parquet"
        yield Job(
            f"labels/{name}/{evaluation}",
            "evaluate.label:make_labels",
            {"rollouts": rollouts, "problems": problems, "output": labels},
            inputs={"rollouts": [rollouts], "problems": [problems]},
            outputs={"labels": labels},
        )


def collections(study: Study) -> Iterator[Job]:
    collect = "evaluate.collect"
    for experiment in study.members:
        scores = []
        for evaluation in study.evaluations_of(experiment):
            members = study.evaluated(experiment, evaluation)
            kinds = ("rollouts", "labels", "problems")
            scores.append(f"{study.results}/scores/{experiment}/{evaluation}.parquet")
            yield _collected(
                study,
                f"scores/{experiment}/{evaluation}",
                f"{collect}:make_scores",
                "parquet",
                {"members": members, "evaluation": evaluation},
                {kind: _distinct(member[kind] for member in members) for kind in kinds},
            )
        yield _collected(
            study,
            f"metrics/{experiment}",
            "evaluate.metrics:make_metrics",
            "csv",
            {
                "statistics": study.settings.statistics.model_dump(),
                "spans": [span.model_dump() for span in study.spans],
                "scores": scores,
            },
            {"scores": scores},
        )
        records = _records(study, experiment)
        yield _collected(
            study,
            f"provenance/{experiment}",
            f"{collect}:make_provenance",
            "json",
            {"records": records},
            {"records": records},
        )
        if members := study.trained(experiment, "sft"):
            split = study.settings.sampling.validation
            yield _collected(
                study,
                f"sft_validation/{experiment}",
                f"{collect}:make_sft",
                "csv",
                {"members": members, "split": split},
                {"records": [member["record"] for member in members]},
            )
    for collection in study.collections:
        if members := study.trained(collection, "rl"):
            yield _collected(
                study,
                f"training/{collection}",
                f"{collect}:make_training",
                "parquet",
                {"members": members},
                {"training": [member["training"] for member in members]},
            )


def _collected(study: Study, name: str, program: str, suffix: str, arguments: dict, inputs) -> Job:
    path = f"{study.results}/{name}.{suffix}"
    return Job(name, program, {**arguments, "output": path}, inputs, {"collected": path})


def _records(study: Study, experiment: str) -> list[str]:
    """What says what made the runs of an experiment, their SFT models and their rollouts."""
    runs: list[SftRun | RlRun] = [member.run for member in study.members[experiment]]
    runs += [run.sft for run in runs if isinstance(run, RlRun)]
    records = [f"{study.run_folder(run)}/run.json" for run in runs]
    for evaluation in study.evaluations_of(experiment):
        rollouts = (member["rollouts"] for member in study.evaluated(experiment, evaluation))
        records += [path.removesuffix(".parquet") + ".json" for path in rollouts]
    return _distinct(records)


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
