"""Keep the results of a finished tier in results/reference, which no rule reads or writes.

    python -m workflow_scripts.report.record --tier smoke

Kept are tables, figures, claims, metrics, the runs' records and what each job cost; weights and
rollouts are not.
"""

import argparse
import shutil
from pathlib import Path

import pandas as pd

from workflow_scripts.files import StudyError, run_stage

_KEPT = ("claims.json", "claims.md", "tables/*", "figures/*", "metrics/*.csv", "*/*/run.json")


def cost_table(benchmarks: Path) -> pd.DataFrame:
    """One row for each job: its rule, name, wall seconds, CPU seconds and peak memory in MiB."""
    rows = []
    for path in sorted(benchmarks.rglob("*.tsv")):
        measured = pd.read_csv(path, sep="\t").iloc[0]
        job = path.relative_to(benchmarks).with_suffix("")
        rows.append(
            {
                "rule": job.parts[0],
                "job": "/".join(job.parts[1:]) or job.parts[0],
                "wall_seconds": measured["s"],
                "cpu_seconds": measured["cpu_time"],
                "peak_mib": measured["max_rss"],
            }
        )
    return pd.DataFrame(rows)


def record(results: Path, reference: Path) -> None:
    """Replace reference by what is kept of results; StudyError if the tier is not finished."""
    if not (results / "claims.json").is_file():
        raise StudyError(f"{results} is not finished: run make study TIER={results.name} first")
    new = reference.with_name(f".{reference.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    for pattern in _KEPT:
        for path in sorted(results.glob(pattern)):
            target = new / path.relative_to(results)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    cost_table(results / "benchmarks").to_csv(new / "cost.csv", index=False)
    shutil.rmtree(reference, ignore_errors=True)
    new.rename(reference)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", required=True)
    tier = parser.parse_args().tier
    record(Path("results", tier), Path("results/reference", tier))
    print(f"results/reference/{tier}")


if __name__ == "__main__":
    run_stage(main)
