"""Collects the content of the report (report.page) from the results of a tier."""

import inspect
import json
import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.common.files import read_json
from workflow_scripts.common.jobs import flatten
from workflow_scripts.common.provenance import PACKAGE
from workflow_scripts.cost.measured import cost_by_stage
from workflow_scripts.experiments.experiment import Experiment, Product
from workflow_scripts.experiments.runs import Member
from workflow_scripts.operate.verify import jobs_of
from workflow_scripts.plan.plan import Plan
from workflow_scripts.plan.products import claim_parts, figures, tables
from workflow_scripts.report.claims import judge, stage_name, to_json
from workflow_scripts.report.inputs import interval_note, tier_note
from workflow_scripts.report.page import (
    JudgedClaim,
    MadeBy,
    Page,
    Picture,
    ShownExperiment,
    ShownFigure,
    ShownRun,
    ShownTable,
    StageCost,
    embed,
    parse_claims,
)
from workflow_scripts.report.product_pages import Caption, read_caption, read_cells
from workflow_scripts.report.style import Drawing


@dataclass(frozen=True)
class Source:
    """The results that are shown: a folder, and the jobs whose files in it may be shown.

    The folder has the layout of results/<tier>. recorded says that these are recorded results,
    which may lack files. cost has a row for each job (cost.measured.cost_table), or is None.
    """

    plan: Plan
    folder: Path
    jobs: frozenset[str]
    recorded: bool
    cost: pd.DataFrame | None = None

    def find(self, job: str, output: str) -> Path | None:
        """The file of an output of a job, or None if it is not shown or not there."""
        if job not in self.jobs:
            return None
        file = Path(self.plan.jobs[job].outputs[output]).relative_to(self.plan.results)
        path = self.folder / file
        return path if path.is_file() else None

    def cost_of(self, jobs: Iterable[str]) -> pd.DataFrame | None:
        """The measured cost of jobs, or None if none of them was measured."""
        if self.cost is None:
            return None
        measured = self.cost["stage"] + "/" + self.cost["job"]
        found = self.cost[measured.isin([_benchmark(job) for job in jobs])]
        return None if found.empty else found


def _benchmark(job: str) -> str:
    """The stage and name of a job in a table of cost: rollouts/FB-s0-steps."""
    stage, _, name = job.partition("/")
    return f"{stage}/{name.replace('/', '-') or stage}"


def collect_page(source: Source, docs: str) -> Page:
    """The content of the report. docs is the relative path from the page to the folder docs.

    Raises StudyError if a file is damaged, or has the format of another version of this study.
    """
    study = source.plan.study
    pictures = {
        name: Picture(svg.read_bytes(), png.read_bytes())
        for name in figures(study)
        if (svg := source.find(f"figures/{name}", "svg"))
        and (png := source.find(f"figures/{name}", "png"))
    }
    uris = embed(pictures)
    experiments = [_experiment(source, each, uris) for each in study.settings.experiments.all()]
    made_by = (made for experiment in experiments for made in experiment.made_by)
    cost = source.cost_of(source.jobs)
    return Page(
        study.tier,
        tier_note(study.settings.shared),
        interval_note(study.settings.shared),
        source.recorded,
        sorted({run.seed for experiment in experiments for run in experiment.runs}),
        {commit: commit_date(commit) for made in made_by for commit in made.commits},
        0.0 if cost is None else float(cost["wall_seconds"].sum()) / 3600,
        0 if cost is None else len(cost),
        len(source.jobs),
        collect_claims(source),
        experiments,
        docs,
    )


def commit_date(commit: str) -> str:
    """The day of a commit, as 2026-11-24. Empty if this clone does not have the commit."""
    show = ["show", "--no-patch", "--format=%cs", commit.removesuffix("-dirty"), "--"]
    command = ["git", "-C", str(PACKAGE.parent), *show]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def collect_claims(source: Source) -> list[JudgedClaim]:
    """The claims as they were judged. Without claims.json, judged by the quantities that there are.

    Empty if there are no quantities either.
    """
    if file := source.find("claims", "json"):
        return parse_claims(read_json(file), str(file))
    study = source.plan.study
    parts = [
        replace(part, quantities=source.find(f"quantities/{part.experiment}", "quantities"))
        for part in claim_parts(study)
    ]
    if not any(part.quantities for part in parts):
        return []
    judged = to_json(judge(parts, study.settings.shared))
    return parse_claims(json.loads(judged), f"{source.folder}/quantities")


# ---- experiments -------------------------------------------------------------------------------


def _experiment(source: Source, experiment: Experiment, uris: dict[str, str]) -> ShownExperiment:
    title, question = words_of(experiment)
    design = (inspect.getdoc(type(experiment)) or "").splitlines()[0]
    shown = ShownExperiment(experiment.name, title, question, design)
    study = source.plan.study
    if experiment.name not in study.experiments:
        return replace(shown, absent="not enabled in this tier")
    drawn = _latest(_products(figures(study), experiment), uris)
    written = _products(tables(study), experiment)
    found_figures = [
        _figure(source, name, product, uris[name])
        for name, product in drawn.items()
        if name in uris
    ]
    found_tables = [table for name in written if (table := _table(source, name))]
    made_by = _made_by(source, experiment.name)
    if not (found_figures or found_tables or made_by):
        why = "not recorded" if source.recorded else "not among the targets"
        return replace(shown, absent=why)
    planned = [*(f"figures/{name}" for name in drawn), *(f"tables/{name}" for name in written)]
    there = {f"figures/{figure.name}" for figure in found_figures}
    there |= {f"tables/{table.name}" for table in found_tables}
    members = study.members[experiment.name]
    records = _records(source, members)
    common = common_settings(record for _, record in records)
    return replace(
        shown,
        figures=found_figures,
        tables=found_tables,
        missing=[name for name in planned if name not in there],
        runs=[_run(member, record, common) for member, record in records],
        n_planned=len(members),
        common=common,
        made_by=made_by,
        costs=_costs(source, experiment.name),
    )


def words_of(experiment: Experiment) -> tuple[str, str]:
    """The title of an experiment and its question, from the first line of its module's text."""
    text = inspect.getdoc(inspect.getmodule(type(experiment))) or experiment.name
    title, _, question = text.splitlines()[0].partition(": ")
    return title, question[:1].upper() + question[1:]


def _products(
    everything: dict[str, tuple[Experiment, Product[Any]]], experiment: Experiment
) -> dict[str, Product[Any]]:
    return {name: product for name, (owner, product) in everything.items() if owner is experiment}


def _latest(
    drawn: dict[str, Product[Drawing]], found: Collection[str]
) -> dict[str, Product[Drawing]]:
    """The figures without early versions, which give way to a figure with the same caption."""
    last = {product.caption: name for name, product in drawn.items() if name in found}
    return {
        name: product for name, product in drawn.items() if last.get(product.caption, name) == name
    }


def _figure(source: Source, name: str, product: Product[Any], uri: str) -> ShownFigure:
    page = source.find(f"figures/{name}", "caption")
    caption = Caption(product.caption, (product.reading,) if product.reading else ())
    if page:
        caption = read_caption(page.read_text(encoding="utf-8"))
    return ShownFigure(name, caption, uri, f"figures/{name}.svg")


def _table(source: Source, name: str) -> ShownTable | None:
    page = source.find(f"tables/{name}", "markdown")
    if page is None:
        return None
    return ShownTable(name, read_cells(page.read_text(encoding="utf-8")), f"tables/{name}.csv")


def _made_by(source: Source, experiment: str) -> list[MadeBy]:
    file = source.find(f"provenance/{experiment}", "collected")
    stages = read_json(file) if file else {}
    return [
        MadeBy(stage_name(module), stage["code_hash"], stage["commits"], stage["n"])
        for module, stage in stages.items()
    ]


def _costs(source: Source, experiment: str) -> list[StageCost]:
    cost = source.cost_of(source.jobs.intersection(jobs_of(source.plan, [experiment])))
    if cost is None:
        return []
    columns = [column.name for column in fields(StageCost)]
    rows = cost_by_stage(cost)[columns].itertuples(index=False, name=None)
    return [StageCost(*row) for row in rows]


# ---- runs --------------------------------------------------------------------------------------


def _records(source: Source, members: list[Member]) -> list[tuple[Member, dict[str, Any]]]:
    """The members whose run has a record here, with the content of its run.json."""
    study = source.plan.study
    return [
        (member, read_json(file))
        for member in members
        if (file := source.find(study.run_name(member.run), "record"))
    ]


def common_settings(records: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each training stage, the settings that all its runs share, by dotted key."""
    stages: dict[str, dict[str, Any]] = {}
    for record in records:
        mine = flatten(record["settings"])
        shared = stages.setdefault(stage_name(record["stage"]), mine)
        stages[stage_name(record["stage"])] = {
            key: value for key, value in shared.items() if key in mine and mine[key] == value
        }
    return stages


def _run(member: Member, record: dict[str, Any], common: dict[str, dict[str, Any]]) -> ShownRun:
    shared = common[stage_name(record["stage"])]
    settings = flatten(record["settings"])
    return ShownRun(
        member.run.name,
        record["seed"],
        member.stage,
        {key: value for key, value in settings.items() if key not in shared},
        record["wall_seconds"],
        record.get("peak_memory_mib"),  # older records lack it
        record["code_hash"],
        record["commit"],
        record["device"],
    )
