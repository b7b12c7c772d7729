"""Keep the results of a tier in results/reference, on which no result depends.

    python -m workflow_scripts.operate.record main --tier smoke

Kept are tables, figures, claims, metrics, provenance, the runs' records and what each job cost;
weights and rollouts are not. Only what the targets name is copied, and only if all of it is good.
An experiment may be recorded before the others have run: what was recorded of those stays.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.common.files import atomic_path, read_json, run_program, write_json
from workflow_scripts.common.lock import lock_folder, unlock_folder
from workflow_scripts.cost.measured import cost_table
from workflow_scripts.operate.verify import jobs_of, read_plan_of_tier, refuse_unless_good
from workflow_scripts.plan.plan import Plan

_KEPT = ("claims", "tables", "figures", "metrics", "provenance")
_REFERENCE = Path("results/reference")


def estimates(claims: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """The values of the claims' quantities by name, as ``dvc metrics diff`` takes them."""
    return {
        claim["id"]: {
            quantity["name"]: quantity["value"]
            for quantity in claim["quantities"]
            if quantity["value"] is not None
        }
        for claim in claims
    }


def kept_files(plan: Plan, targets: list[str]) -> list[Path]:
    """The files that are recorded of targets."""
    files: list[str] = []
    for name in jobs_of(plan, targets):
        outputs = plan.jobs[name].outputs
        if name.split("/")[0] in _KEPT:
            files += outputs.values()
        elif "manifest" in outputs and "record" in outputs:  # a training run
            files.append(outputs["record"])
    return [Path(file) for file in files]


def record(plan: Plan, targets: list[str], reference: Path) -> None:
    """Copy what is kept of targets into reference. Raises StudyError unless all of it is good."""
    lock = lock_folder(plan.results)
    refuse_unless_good(plan, targets)
    cost = cost_table(plan.results / "benchmarks")
    recorded = reference / "cost.csv"
    if recorded.is_file():
        cost = pd.concat([cost, pd.read_csv(recorded)]).drop_duplicates(["stage", "job"])
    for path in kept_files(plan, targets):
        with atomic_path(reference / path.relative_to(plan.results)) as temporary:
            shutil.copyfile(path, temporary)
    claims = reference / "claims.json"
    judged = read_json(claims) if claims.is_file() else []
    write_json(reference / "estimates.json", estimates(judged))
    with atomic_path(recorded) as temporary:
        cost.sort_values(["stage", "job"]).to_csv(temporary, index=False)
    unlock_folder(lock)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=["all"])
    parser.add_argument("--tier", required=True)
    arguments = parser.parse_args()
    reference = _REFERENCE / arguments.tier
    record(read_plan_of_tier(arguments.tier), arguments.targets, reference)
    print(reference)


if __name__ == "__main__":
    run_program(main)
