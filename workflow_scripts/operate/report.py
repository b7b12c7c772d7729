"""Write the report of a tier: one HTML page with its verdicts, figures, tables and runs.

    python -m workflow_scripts.operate.report main --configfile config/laptop.yaml
    python -m workflow_scripts.operate.report --recorded --configfile config/laptop.yaml

The page shows the results of targets, and is report.html in the folder of these results: in
results/<tier>, or with --recorded in results/reference/<tier>. It needs no other file and no
network. If the results have responses, rollouts.html is written beside it: readers can filter and
read a sample of them there. Results of a run are shown only if all of them are good (see
operate.receipts). Recorded results were checked when they were recorded; the page says what is
missing. --configfile and --config are used as for snakemake.
"""

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import run_program, write_text
from workflow_scripts.cost.measured import cost_table
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.places import REPORT, ROLLOUTS
from workflow_scripts.operate.reference import REFERENCE
from workflow_scripts.operate.report_content import Source, collect_page
from workflow_scripts.operate.rollouts import collect_rollouts
from workflow_scripts.operate.verify import (
    jobs_of,
    judge_jobs,
    read_plan,
    refuse_unless_good,
    study_parser,
)
from workflow_scripts.plan.plan import Plan
from workflow_scripts.report.page import render
from workflow_scripts.report.rollout_links import RolloutIndex
from workflow_scripts.report.rollouts_page import render_rollouts


def finished(plan: Plan, targets: list[str]) -> Source:
    """The results of targets. Raises StudyError if one of them is not good."""
    names = jobs_of(plan, targets)
    refuse_unless_good(plan, targets, judge_jobs(plan, names, Contents()))
    benchmarks = plan.results / "benchmarks"
    cost = cost_table(benchmarks) if any(benchmarks.rglob("*.tsv")) else None
    return Source(plan, plan.results, frozenset(names), recorded=False, cost=cost)


def recorded(plan: Plan, targets: list[str], reference: Path) -> Source:
    """The recorded results of targets in a folder. Raises StudyError if there is no such folder."""
    if not reference.is_dir():
        raise StudyError(
            f"{reference}: no recorded results of the tier {plan.study.tier}: leave out RECORDED, "
            "or name a tier that has some"
        )
    file = reference / "cost.csv"
    cost = pd.read_csv(file) if file.is_file() else None
    return Source(plan, reference, frozenset(jobs_of(plan, targets)), recorded=True, cost=cost)


def pages(source: Source) -> dict[str, str]:
    """The HTML of the report, and if there are responses that of the page of rollouts, by name."""
    docs = Path(os.path.relpath("docs", source.folder)).as_posix()
    page, rollouts = collect_page(source, docs), collect_rollouts(source)
    if not rollouts:
        return {REPORT: render(page)}
    linked = replace(page, rollouts=RolloutIndex(ROLLOUTS, rollouts))
    return {REPORT: render(linked), ROLLOUTS: render_rollouts(rollouts)}


def write_report(source: Source) -> Path:
    """Write the report into the folder of the results that it shows, and return its path.

    The page of rollouts is written beside it. If there are no rollouts, an old one is removed.
    """
    written = pages(source)
    if ROLLOUTS not in written:
        (source.folder / ROLLOUTS).unlink(missing_ok=True)
    for name, html in written.items():
        write_text(source.folder / name, html)
    return source.folder / REPORT


def main() -> None:
    """Run the command line."""
    parser = study_parser(__doc__)
    parser.add_argument("--recorded", action="store_true", help="show results/reference/<tier>")
    arguments = parser.parse_args()
    plan = read_plan(arguments)
    if arguments.recorded:
        source = recorded(plan, arguments.targets, REFERENCE / plan.study.tier)
    else:
        source = finished(plan, arguments.targets)
    print(write_report(source))


if __name__ == "__main__":
    run_program(main)
