"""Keep the results of a tier in results/reference, on which no result depends.

    python -m workflow_scripts.report.record --tier smoke

Kept are tables, figures, claims, metrics, provenance, the runs' records and what each job cost;
weights and rollouts are not. An experiment may be recorded before the others have run: what was
recorded of those stays.
"""

import argparse
import shutil
from pathlib import Path

import pandas as pd

from workflow_scripts.files import StudyError, atomic_path, read_json, run_stage, write_json
from workflow_scripts.report.cost import cost_table

_KEPT = (
    "claims.json",
    "claims.md",
    "tables/*",
    "figures/*",
    "metrics/*.csv",
    "provenance/*.json",
    "*/*/run.json",
)


def estimates(claims: list[dict]) -> dict[str, dict[str, float]]:
    """The values of the claims' quantities by name, as ``dvc metrics diff`` takes them."""
    return {
        claim["id"]: {
            quantity["name"]: quantity["value"]
            for quantity in claim["quantities"]
            if quantity["value"] is not None
        }
        for claim in claims
    }


def record(results: Path, reference: Path) -> None:
    """Copy what is kept of results into reference; StudyError if no experiment is complete."""
    if not any(results.glob("provenance/*.json")):
        raise StudyError(f"{results} has no complete experiment: make study TIER={results.name}")
    cost = cost_table(results / "benchmarks")
    recorded = reference / "cost.csv"
    if recorded.is_file():
        cost = pd.concat([cost, pd.read_csv(recorded)]).drop_duplicates(["stage", "job"])
    for pattern in _KEPT:
        for path in sorted(results.glob(pattern)):
            target = reference / path.relative_to(results)
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(target) as temporary:
                shutil.copyfile(path, temporary)
    claims = read_json(reference / "claims.json") if (reference / "claims.json").is_file() else []
    write_json(reference / "estimates.json", estimates(claims))
    with atomic_path(recorded) as temporary:
        cost.sort_values(["stage", "job"]).to_csv(temporary, index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", required=True)
    tier = parser.parse_args().tier
    record(Path("results", tier), Path("results/reference", tier))
    print(f"results/reference/{tier}")


if __name__ == "__main__":
    run_stage(main)
