"""Say what of a tier is good, and why the rest is not.

    python -m workflow_scripts.operate.verify main --configfile config/laptop.yaml
    python -m workflow_scripts.operate.verify main --configfile config/laptop.yaml --why

Every file is read. With --why, files that did not change since they were last read are not, and a
line for each job that would run says why. Options are snakemake's own.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import run_program
from workflow_scripts.operate import receipts
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.receipts import Verdict
from workflow_scripts.plan.configuration import read_configuration, read_tier
from workflow_scripts.plan.plan import Plan, find_jobs
from workflow_scripts.plan.study import Study

_LISTED = 5  # products that are not good, in one error


def read_plan_of_tier(tier: str) -> Plan:
    return Plan(Study(read_tier(tier)))


def jobs_of(plan: Plan, targets: Iterable[str]) -> list[str]:
    """The jobs of targets and all that these rest on, in an order in which they can be made."""
    wanted = [name for target in targets for name in find_jobs(plan, target)]
    return receipts.closure(wanted, receipts.upstream(plan.jobs))


def judge(plan: Plan, targets: Iterable[str], contents: Contents) -> dict[str, Verdict]:
    """The verdicts on what targets rest on, in that order."""
    names = jobs_of(plan, targets)
    found = receipts.read_receipts(plan.results, plan.jobs)
    verdicts = receipts.judge({name: plan.jobs[name] for name in names}, found, contents)
    return {name: verdicts[name] for name in names}


def refuse_unless_good(plan: Plan, targets: list[str]) -> None:
    """Read all that targets rest on. Raises StudyError if anything is not good."""
    verdicts = judge(plan, targets, Contents())
    bad = {name: verdict for name, verdict in verdicts.items() if not verdict.good}
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
    return f"{name}  <-  {verdict.state}: {verdict.reason}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=["all"])
    parser.add_argument("--configfile", nargs="+", type=Path, default=[])
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--why", action="store_true", help="why jobs would run; status 0")
    arguments = parser.parse_args()
    plan = Plan(Study(read_configuration(arguments.configfile, arguments.config)))
    contents = Contents(plan.results if arguments.why else None)
    verdicts = judge(plan, arguments.targets, contents)
    bad = {name: verdict for name, verdict in verdicts.items() if not verdict.good}
    for name, verdict in bad.items():
        print(_describe(name, verdict))
    if arguments.why:
        print(f"{len(bad)} jobs would run" if bad else "nothing to be done")
    elif bad:
        raise StudyError(f"{len(bad)} of {len(verdicts)} products are not good")
    else:
        print(f"{len(verdicts)} products in {plan.results} are good: every file was read")


if __name__ == "__main__":
    run_program(main)
