"""The jobs that make figures, tables and claims."""

from collections.abc import Iterator

from workflow_scripts.common.jobs import Job
from workflow_scripts.plan.study import Study
from workflow_scripts.report import products
from workflow_scripts.report.products import Product

# No result depends on these settings.
_OPERATIONAL = ("base", "checkpoint_seconds", "jobs")


def shown(study: Study) -> Iterator[Job]:
    results, settings = study.results, study.settings.model_dump()
    for folder, program, suffixes, shown in (
        ("figures", "figures:make_figure", {"png": "png", "svg": "svg"}, products.figures),
        ("tables", "tables:make_table", {"csv": "csv", "markdown": "md"}, products.tables),
    ):
        for name, product in shown(study.settings).items():
            files = _files_of(study, product)
            paths = {kind: f"{results}/{folder}/{name}.{end}" for kind, end in suffixes.items()}
            yield Job(
                f"{folder}/{name}",
                f"report.{program}",
                {"name": name, "settings": settings, "files": files, **paths},
                files,
                paths,
                ignored=_ignored(study, [product.experiment]),
            )
    experiments = study.members
    claimed = {
        name: _files_of(study, product) | {"provenance": [f"{results}/provenance/{name}.json"]}
        for name, product in products.CLAIMED.items()
        if name in experiments
    }
    paths = {"json": f"{results}/claims.json", "markdown": f"{results}/claims.md"}
    inputs: dict[str, list[str]] = {}
    for files in claimed.values():
        for kind, some in files.items():
            inputs[kind] = [*inputs.get(kind, []), *some]
    yield Job(
        "claims",
        "report.claims:make_claims",
        {"settings": settings, "files": claimed, **paths},
        inputs,
        paths,
        ignored=_ignored(study, list(experiments)),
    )


def _files_of(study: Study, product: Product) -> dict[str, list[str]]:
    """The files that a table, figure or claim needs, as report.inputs names them."""
    results, experiment = study.results, product.experiment
    files = {}
    if product.evaluations:
        scores = f"{results}/scores/{experiment}"
        files["scores"] = [f"{scores}/{name}.parquet" for name in product.evaluations]
    if product.training:
        files["training"] = [f"{results}/training/{product.training}.parquet"]
    if product.sft:
        files["sft"] = [f"{results}/sft_validation/{experiment}.csv"]
    return files


def _ignored(study: Study, experiments: list[str]) -> tuple[str, ...]:
    """The settings on which what is shown of some experiments does not depend."""
    named = {"main", *experiments}  # main's runs are those that the others vary
    others = [name for name, _ in study.settings.experiments if name not in named]
    keys = [*_OPERATIONAL, *(f"experiments.{name}" for name in others)]
    return tuple(f"settings.{key}" for key in keys)
