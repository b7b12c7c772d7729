"""Keep the small results of a tier in results/reference, which git tracks.

    python -m workflow_scripts.operate.reference main --tier smoke

Copies the tables, figures, quantities, metrics, scores, mistakes, cross-entropies, provenance, run
records (run.json) and the cost of each job. Of the counts of training rollouts, keeps what learning
curves need. Of the main experiment's first seed, copies also the models, if they are small, in half
precision, and some rollouts (see operate.shared_models). Copies only results of the given targets,
and only if all of these results are good (see operate.receipts). Runs that other experiments share
with main are kept with main. Files of other targets that are already in the reference stay there.
So experiments can be kept one after the other; the claims are judged anew by the quantities of all
that are kept. No job reads the reference.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.common.files import atomic_path, read_json, run_program, write_json
from workflow_scripts.common.lock import lock_folder, unlock_folder
from workflow_scripts.cost.measured import cost_table
from workflow_scripts.evaluate.curves import TRAINING_COLUMNS
from workflow_scripts.evaluate.storage import read_table, write_whole, writer
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.shared_models import keep_model, keep_samples, sample_of
from workflow_scripts.operate.verify import (
    jobs_of,
    judge_jobs,
    read_plan_of_tier,
    refuse_unless_good,
)
from workflow_scripts.plan.plan import Plan
from workflow_scripts.plan.products import claim_parts
from workflow_scripts.report.claims import make_claims

_KEPT = (
    "tables",
    "figures",
    "quantities",
    "metrics",
    "scores",
    "mistakes",
    "sft_validation",
    "provenance",
)
_TRAINING = "training"
_SMALL = 5_000_000  # parameters: larger models have no place in a git repository
REFERENCE = Path("results/reference")


def estimates(claims: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """The values of the claims' quantities, for `dvc metrics diff`: {claim: {quantity: value}}."""
    return {
        claim["id"]: {
            quantity["name"]: quantity["value"]
            for quantity in claim["quantities"]
            if quantity["value"] is not None
        }
        for claim in claims
    }


def kept_files(plan: Plan, names: list[str], shared: set[str]) -> list[Path]:
    """The results of jobs that are copied into the reference.

    shared are training runs whose records are not: they are kept with main, beside its models.
    """
    files: list[str] = []
    for name in names:
        outputs = plan.jobs[name].outputs
        if name.split("/")[0] in _KEPT:
            files += outputs.values()
        elif "manifest" in outputs and "record" in outputs and name not in shared:
            files.append(outputs["record"])  # of a training run
    return [Path(file) for file in files]


def keep_reference(plan: Plan, targets: list[str], reference: Path) -> None:
    """Copy the small results of targets into the folder reference.

    Raises StudyError if a job of the targets is not good.
    """
    lock = lock_folder(plan.results)
    try:
        _keep(plan, targets, reference)
    finally:
        unlock_folder(lock)


def _keep(plan: Plan, targets: list[str], reference: Path) -> None:
    names = jobs_of(plan, targets)
    refuse_unless_good(plan, targets, judge_jobs(plan, names, Contents()))
    of_main = set(jobs_of(plan, ["main"])) if "main" in plan.study.members else set()
    has_main = bool(of_main) and of_main <= set(names)
    cost = cost_table(plan.results / "benchmarks")
    cost_file = reference / "cost.csv"
    if cost_file.is_file():
        costs = [pd.read_csv(cost_file), cost]
        if has_main:
            costs.reverse()
        cost = pd.concat(costs).drop_duplicates(["stage", "job"])
    for path in kept_files(plan, names, set() if has_main else of_main):
        with atomic_path(reference / path.relative_to(plan.results)) as temporary:
            shutil.copyfile(path, temporary)
    for name in names:
        if name.split("/")[0] == _TRAINING:
            (path,) = map(Path, plan.jobs[name].outputs.values())
            keep_training(path, reference / path.relative_to(plan.results))
    if has_main:
        _keep_models(plan, reference)
    _judge_kept(plan, reference)
    with atomic_path(cost_file) as temporary:
        cost.sort_values(["stage", "job"]).to_csv(temporary, index=False)


def keep_training(source: Path, target: Path) -> None:
    """Keep counts of training rollouts, summed over all but the columns of learning curves.

    The sums take a small part of the room, and give the same curves.
    """
    counts = ["n", "correct"]
    rollouts = read_table(source, TRAINING_COLUMNS)
    keys = [column for column in TRAINING_COLUMNS if column not in counts]
    sums = rollouts.groupby(keys, as_index=False, sort=False, observed=True)[counts].sum()
    write_whole({target: writer(sums, target)})


def _judge_kept(plan: Plan, reference: Path) -> None:
    """Judge the claims by the quantities of all experiments in the reference."""
    parts = []
    for part in claim_parts(plan.study):
        kept = {
            name: reference / path.relative_to(plan.results)
            for name in ("quantities", "provenance")
            if (path := getattr(part, name))
        }
        is_kept = kept and all(path.is_file() for path in kept.values())
        parts.append(replace(part, **(kept if is_kept else dict.fromkeys(kept))))
    if not any(part.quantities for part in parts):
        return
    json, page = reference / "claims.json", reference / "claims.md"
    make_claims(plan.study.settings.shared, parts, json, page)
    write_json(reference / "estimates.json", estimates(read_json(json)))


def _keep_models(plan: Plan, reference: Path) -> None:
    """Keep the models of the main experiment's first seed, and some of their rollouts."""
    study = plan.study
    members = study.members["main"]
    runs = [
        member.run
        for member in members
        if member.run.seed == members[0].run.seed
        and study.base_shape(member.run.sft).parameters <= _SMALL
    ]
    if not runs:
        return
    for run in runs:
        folder = Path(study.run_folder(run), "model")
        keep_model(folder, reference / "models" / run.name)
    samples = (
        (
            run.name,
            sample_of(
                *(
                    Path(file(run, "steps"))
                    for file in (study.evaluation_file, study.labels_file, study.problems_file)
                )
            ),
        )
        for run in runs
    )
    keep_samples(samples, reference / "rollouts.csv")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=["all"])
    parser.add_argument("--tier", required=True)
    arguments = parser.parse_args()
    reference = REFERENCE / arguments.tier
    keep_reference(read_plan_of_tier(arguments.tier), arguments.targets, reference)
    print(reference)


if __name__ == "__main__":
    run_program(main)
