"""Check the results of a tier: say which jobs are not good, and why.

    python -m workflow_scripts.operate.verify main --configfile config/laptop.yaml
    python -m workflow_scripts.operate.verify main --configfile config/laptop.yaml --why

A job is good if its files are those of its receipt and were made from the present settings, code
and inputs. Every file is read. With --why, a file is read only if it changed since it was last
read, and each job that would run is listed with the reason. --configfile and --config are used as
for snakemake.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import run_program
from workflow_scripts.cost.forecast import tell_base_models
from workflow_scripts.operate import receipts
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.receipts import Judgement, Verdict
from workflow_scripts.plan.configuration import read_configuration, read_tier
from workflow_scripts.plan.plan import Plan, find_jobs
from workflow_scripts.plan.study import Study

_LISTED = 5  # an error names at most this many jobs


def study_parser(doc: str) -> argparse.ArgumentParser:
    """A parser of the targets, and of the options that are used as for snakemake.

    doc is the text of the command's module, whose first line describes the command.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=["all"])
    parser.add_argument("--configfile", nargs="+", type=Path, default=[])
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE")
    return parser


def read_plan(arguments: argparse.Namespace) -> Plan:
    """The plan of the arguments of study_parser. Raises ConfigurationError if one is invalid."""
    return Plan(Study(read_configuration(arguments.configfile, arguments.config)))


def read_plan_of_tier(tier: str) -> Plan:
    """The plan of config/<tier>.yaml. Raises ConfigurationError if the file is invalid."""
    return Plan(Study(read_tier(tier)))


def jobs_of(plan: Plan, targets: Iterable[str]) -> list[str]:
    """The jobs of targets and all jobs that they read from, in an order of execution."""
    wanted = [name for target in targets for name in find_jobs(plan, target)]
    return receipts.closure(wanted, receipts.upstream(plan.jobs))


def judge_jobs(plan: Plan, names: Iterable[str], contents: Contents) -> Judgement:
    """Judge jobs of a plan. names must include all jobs that these jobs read from."""
    jobs = {name: plan.jobs[name] for name in names}
    return receipts.judge_results(plan.results, jobs, contents)


def refuse_unless_good(plan: Plan, targets: list[str], judgement: Judgement) -> None:
    """Raise StudyError if a job of the targets, or a job that it reads from, is not good."""
    bad = judgement.bad(jobs_of(plan, targets))
    if bad:
        listed = "; ".join(
            f"{name} is {verdict.state} ({verdict.reason})"
            for name, verdict in list(bad.items())[:_LISTED]
        )
        more = f"; and {len(bad) - _LISTED} more" if len(bad) > _LISTED else ""
        tier, asked = plan.study.tier, " ".join(targets)
        raise StudyError(
            f"{plan.results} is not finished: {listed}{more}. Make them with: make study "
            f"TIER={tier} TARGETS='{asked}'"
        )


def _describe(name: str, verdict: Verdict) -> str:
    """The line that reports a job that is not good."""
    return f"{name}  <-  {verdict.state}: {verdict.reason}"


def main() -> None:
    """Run the command line."""
    parser = study_parser(__doc__)
    parser.add_argument(
        "--why", action="store_true", help="say why jobs would run; exit status 0 even if some do"
    )
    arguments = parser.parse_args()
    plan = read_plan(arguments)
    contents = Contents(plan.results if arguments.why else None)
    names = jobs_of(plan, arguments.targets)
    bad = judge_jobs(plan, names, contents).bad(names)
    for name, verdict in bad.items():
        print(_describe(name, verdict))
    if arguments.why:
        if told := tell_base_models(plan.study):
            print(told)
        print(f"{len(bad)} jobs would run" if bad else "nothing to be done")
    elif bad:
        raise StudyError(
            f"{len(bad)} of {len(names)} jobs are not good: make study makes them again"
        )
    else:
        print(f"{len(names)} jobs in {plan.results} are good: every file was read")


if __name__ == "__main__":
    run_program(main)
