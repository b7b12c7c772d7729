"""The jobs that sample models, label and count the rollouts, and estimate the metrics."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from workflow_scripts.common.jobs import Job, as_json
from workflow_scripts.evaluate.collect import ExactRun, SampledRun
from workflow_scripts.experiments.runs import SftRun
from workflow_scripts.plan.study import Run, Study


def rollouts(study: Study) -> Iterator[Job]:
    """Jobs for each run in each of its evaluations: rollouts and labels, or exact measures."""
    evaluated = {
        (member.run.name, evaluation): member.run
        for members in study.members.values()
        for member in members
        for evaluation in member.evaluations
    }
    for (_, evaluation), run in evaluated.items():
        if study.evaluations[evaluation].is_exact:
            yield _measure(study, run, evaluation)
        else:
            yield _sample(study, run, evaluation)
            yield _label(study, run, evaluation)


def _sample(study: Study, run: Run, evaluation: str) -> Job:
    arguments = {
        "settings": study.sampling_settings(run),
        "run": run.name,
        "size": study.evaluations[evaluation].size,
    }
    return _evaluate(study, run, evaluation, "evaluate.sample:sample", arguments)


def _measure(study: Study, run: Run, evaluation: str) -> Job:
    arguments = {"settings": study.exact_settings(run, evaluation)}
    return _evaluate(study, run, evaluation, "evaluate.exact:measure", arguments)


def _evaluate(
    study: Study, run: Run, evaluation: str, program: str, arguments: Mapping[str, object]
) -> Job:
    """A job that computes the models of a run in an evaluation."""
    problems, output = study.problems_file(run, evaluation), study.evaluation_file(run, evaluation)
    models, folder = study.evaluated_models(run, evaluation), study.evaluations[evaluation].folder
    everything = {**arguments, "models": models, "problems": problems, "output": output}
    return Job(
        f"{folder}/{run.name}/{evaluation}",
        program,
        as_json(everything),
        inputs={
            "model": [f"{study.run_folder(run)}/model/manifest.json"],
            "checkpoints": [f"{folder}/manifest.json" for folder in models.values()],
            "problems": [problems],
        },
        outputs={folder: output, "record": _record_beside(output)},
    )


def _label(study: Study, run: Run, evaluation: str) -> Job:
    files = {
        "rollouts": study.evaluation_file(run, evaluation),
        "problems": study.problems_file(run, evaluation),
    }
    output = study.labels_file(run, evaluation)
    return Job(
        f"labels/{run.name}/{evaluation}",
        "evaluate.label:make_labels",
        {**files, "output": output},
        inputs={kind: [path] for kind, path in files.items()},
        outputs={"labels": output},
    )


def _record_beside(results: str) -> str:
    """The record of an evaluation, which stands beside its results (see evaluate.record)."""
    return str(Path(results).with_suffix(".json"))


def collections(study: Study) -> Iterator[Job]:
    """Jobs that collect the outputs of each experiment's runs into one file of each kind."""
    for experiment in study.members:
        yield from _scores(study, experiment)
        yield _mistakes(study, experiment)
        yield _provenance(study, experiment)
        yield from _sft_validation(study, experiment)
    for collection in study.collections:
        if runs := study.rl_trained(collection):
            yield _collected(
                f"{study.results}/training/{collection}.parquet",
                f"training/{collection}",
                "evaluate.collect:make_training",
                {"runs": runs},
                {"training": [str(run.rollouts) for run in runs]},
            )


def scores_file(study: Study, experiment: str, evaluation: str) -> str:
    """The file with the scores of an experiment's runs in an evaluation."""
    return f"{study.results}/scores/{experiment}/{evaluation}.parquet"


def _scores(study: Study, experiment: str) -> Iterator[Job]:
    """Jobs for an experiment's scores in each evaluation, and for the estimates from them."""
    evaluations = study.evaluations_of(experiment)
    for evaluation in evaluations:
        runs: Sequence[SampledRun | ExactRun]
        if study.evaluations[evaluation].is_exact:
            runs, program = study.scored_exactly(experiment, evaluation), "make_exact_scores"
        else:
            runs, program = study.sampled(experiment, evaluation), "make_scores"
        kinds = [field.name for field in fields(runs[0]) if field.name != "name"]
        yield _collected(
            scores_file(study, experiment, evaluation),
            f"scores/{experiment}/{evaluation}",
            f"evaluate.collect:{program}",
            {"runs": runs, "evaluation": evaluation},
            {kind: _distinct(str(getattr(run, kind)) for run in runs) for kind in kinds},
        )
    scores = [scores_file(study, experiment, evaluation) for evaluation in evaluations]
    yield _collected(
        f"{study.results}/metrics/{experiment}.csv",
        f"metrics/{experiment}",
        "evaluate.metrics:make_metrics",
        {"statistics": study.settings.statistics, "spans": study.spans, "scores": scores},
        {"scores": scores},
    )


def mistakes_file(study: Study, experiment: str) -> str:
    """The file with the counts of mistakes in the rollouts of an experiment's runs."""
    return f"{study.results}/mistakes/{experiment}.parquet"


def _mistakes(study: Study, experiment: str) -> Job:
    """The job for the mistakes of an experiment's runs in all sampled evaluations."""
    evaluations = {
        name: study.sampled(experiment, name)
        for name in study.evaluations_of(experiment)
        if not study.evaluations[name].is_exact
    }
    runs = [run for sampled in evaluations.values() for run in sampled]
    return _collected(
        mistakes_file(study, experiment),
        f"mistakes/{experiment}",
        "evaluate.collect:make_mistakes",
        {"evaluations": evaluations},
        {
            "labels": _distinct(str(run.labels) for run in runs),
            "problems": _distinct(str(run.problems) for run in runs),
        },
    )


def _provenance(study: Study, experiment: str) -> Job:
    """The job for the provenance of an experiment's runs, their SFT runs and their rollouts."""
    runs: list[Run] = [member.run for member in study.members[experiment]]
    runs += [run.sft for run in runs if not isinstance(run, SftRun)]
    records = [f"{study.run_folder(run)}/run.json" for run in runs]
    for member in study.members[experiment]:
        records += [
            _record_beside(study.evaluation_file(member.run, evaluation))
            for evaluation in member.evaluations
        ]
    records = _distinct(records)
    return _collected(
        f"{study.results}/provenance/{experiment}.json",
        f"provenance/{experiment}",
        "evaluate.collect:make_provenance",
        {"records": records},
        {"records": records},
    )


def _sft_validation(study: Study, experiment: str) -> Iterator[Job]:
    if runs := study.sft_validated(experiment):
        yield _collected(
            f"{study.results}/sft_validation/{experiment}.csv",
            f"sft_validation/{experiment}",
            "evaluate.collect:make_sft",
            {"runs": runs},
            {"records": [str(run.record) for run in runs]},
        )


def _collected(
    path: str,
    name: str,
    program: str,
    arguments: Mapping[str, object],
    inputs: dict[str, list[str]],
) -> Job:
    """A job that collects its inputs into one file."""
    return Job(name, program, as_json({**arguments, "output": path}), inputs, {"collected": path})


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
