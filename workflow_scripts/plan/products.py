"""The jobs that make tables, figures and claims, and the names of their targets."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.common.jobs import PACKAGE, Job, as_json
from workflow_scripts.experiments.experiment import Experiment, Measured, Needs, Product, Source
from workflow_scripts.plan.evaluation import mistakes_file, scores_file
from workflow_scripts.plan.study import Study
from workflow_scripts.report.claims import Part
from workflow_scripts.report.inputs import Files
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.tables import Table

# Settings on which no table, figure or claim depends. A change of them must not make these stale.
_OPERATIONAL = ("study.base", "study.checkpoint_seconds", "study.jobs")


def tables(study: Study) -> dict[str, tuple[Experiment, Product[Table]]]:
    """The tables of the enabled experiments by name, each with its experiment."""
    return {
        name: (experiment, product)
        for experiment in study.experiments.values()
        for name, product in experiment.tables(study.settings).items()
    }


def figures(study: Study) -> dict[str, tuple[Experiment, Product[Drawing]]]:
    """The figures of the enabled experiments by name, each with its experiment."""
    return {
        name: (experiment, product)
        for experiment in study.experiments.values()
        for name, product in experiment.figures(study.settings).items()
    }


def target_name(prefix: str, name: str) -> str:
    """The target of a figure or table: fig_routing, table1, table_robustness_rl_group_size."""
    name = name if name.startswith(prefix) else f"{prefix}_{name}"
    return "".join(letter if letter.isalnum() else "_" for letter in name)


@dataclass(frozen=True)
class _Form:
    """Tables or figures: their folder, the stage that makes them, and suffixes by kind of file."""

    folder: str
    stage: str
    suffixes: dict[str, str]


_FIGURE = _Form("figures", "make_figure", {"png": "png", "svg": "svg", "caption": "md"})
_TABLE = _Form("tables", "make_table", {"csv": "csv", "markdown": "md", "latex": "tex"})


def products(study: Study) -> Iterator[Job]:
    """Jobs for figures, tables, the experiments' quantities, and the claims."""
    for name, (experiment, figure) in figures(study).items():
        yield _product_job(study, experiment, _FIGURE, name, figure)
    for name, (experiment, table) in tables(study).items():
        yield _product_job(study, experiment, _TABLE, name, table)
    for experiment in study.experiments.values():
        if measured := experiment.claims():
            yield _quantities_job(study, experiment, measured)
    yield _claims_job(study)


def _product_job(
    study: Study, experiment: Experiment, form: _Form, name: str, product: Product[Any]
) -> Job:
    """The job that makes a table or a figure."""
    path = f"{form.folder}/{name}"
    outputs = {kind: f"{study.results}/{path}.{suffix}" for kind, suffix in form.suffixes.items()}
    files = _files_of(study, experiment, product)
    arguments = {"source": _source(study, experiment, files), "name": name, **outputs}
    return Job(
        path,
        f"{_program(experiment)}.{form.stage}",
        as_json(arguments),
        _by_kind(files),
        outputs,
        ignored=_ignored("source."),
    )


def _quantities_job(study: Study, experiment: Experiment, measured: Measured) -> Job:
    files, output = _files_of(study, experiment, measured), _quantities_file(study, experiment)
    return Job(
        f"quantities/{experiment.name}",
        f"{_program(experiment)}.make_quantities",
        as_json({"source": _source(study, experiment, files), "output": output}),
        _by_kind(files),
        {"quantities": output},
        ignored=_ignored("source."),
    )


def claim_parts(study: Study) -> list[Part]:
    """What each experiment contributes to the claims, enabled or not."""
    return [
        _part(study, experiment, measured)
        for experiment in study.settings.experiments.all()
        if (measured := experiment.claims())
    ]


def _claims_job(study: Study) -> Job:
    parts = claim_parts(study)
    outputs = {"json": f"{study.results}/claims.json", "markdown": f"{study.results}/claims.md"}
    return Job(
        "claims",
        "report.claims:make_claims",
        as_json({"study": study.settings.shared, "parts": parts, **outputs}),
        {
            "quantities": [str(part.quantities) for part in parts if part.quantities],
            "provenance": [str(part.provenance) for part in parts if part.provenance],
        },
        outputs,
        ignored=_ignored(""),
    )


def _part(study: Study, experiment: Experiment, measured: Measured) -> Part:
    shown_in = {claim: list(part.shown_in) for claim, part in measured.parts.items()}
    if experiment.name not in study.experiments:
        return Part(experiment.name, shown_in)
    quantities = _quantities_file(study, experiment)
    provenance = f"{study.results}/provenance/{experiment.name}.json"
    return Part(experiment.name, shown_in, Path(quantities), Path(provenance))


def _quantities_file(study: Study, experiment: Experiment) -> str:
    return f"{study.results}/quantities/{experiment.name}.json"


def _program(experiment: Experiment) -> str:
    """The experiment's class, as module:Class. Job.program appends the method that is the stage."""
    kind = type(experiment)
    return f"{kind.__module__.removeprefix(f'{PACKAGE}.')}:{kind.__name__}"


def _source(study: Study, experiment: Experiment, files: Files) -> Source:
    hardest = study.main.hardest
    return Source(study.settings.shared, hardest, experiment.model_dump(), files)


def _files_of(study: Study, experiment: Experiment, needs: Needs) -> Files:
    """The files of an experiment that a product reads."""
    name = experiment.name
    scores = [Path(scores_file(study, name, evaluation)) for evaluation in needs.scores]
    training, sft = [], []
    if needs.training:
        training = [Path(f"{study.results}/training/{needs.training}.parquet")]
    if needs.sft:
        sft = [Path(f"{study.results}/sft_validation/{name}.csv")]
    mistakes = [Path(mistakes_file(study, name))] if needs.mistakes else []
    return Files(scores, training, sft, mistakes)


def _by_kind(files: Files) -> dict[str, list[str]]:
    """The files as inputs of a job, by the names that Snakemake's rules use."""
    return {kind: list(map(str, paths)) for kind, paths in vars(files).items() if paths}


def _ignored(place: str) -> tuple[str, ...]:
    return tuple(f"{place}{key}" for key in _OPERATIONAL)
