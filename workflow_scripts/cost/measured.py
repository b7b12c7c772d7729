"""The measured cost of the jobs of a tier, from Snakemake's benchmark files.

    python -m workflow_scripts.cost.measured --tier laptop

Prints a table with one row per stage, the most expensive stage first.
"""

import argparse
from pathlib import Path

import pandas as pd

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import run_program


def cost_table(benchmarks: Path) -> pd.DataFrame:
    """One row per job: its stage, name, wall seconds, CPU seconds and peak memory in MiB.

    Raises StudyError if there are no benchmark files.
    """
    rows = []
    for path in sorted(benchmarks.rglob("*.tsv")):
        measured = pd.read_csv(path, sep="\t").iloc[0]
        job = path.relative_to(benchmarks).with_suffix("")
        rows.append(
            {
                "stage": job.parts[0],
                "job": "/".join(job.parts[1:]) or job.parts[0],
                "wall_seconds": measured["s"],
                "cpu_seconds": measured["cpu_time"],
                "peak_mib": measured["max_rss"],
            }
        )
    if not rows:
        raise StudyError(f"{benchmarks} holds no benchmark files: run the tier first")
    return pd.DataFrame(rows)


def cost_by_stage(cost: pd.DataFrame) -> pd.DataFrame:
    """One row per stage: number of jobs, minutes of wall and CPU time, longest job, peak memory."""
    stages = cost.groupby("stage").agg(
        jobs=("job", "size"),
        wall_minutes=("wall_seconds", lambda seconds: seconds.sum() / 60),
        cpu_minutes=("cpu_seconds", lambda seconds: seconds.sum() / 60),
        longest_seconds=("wall_seconds", "max"),
        peak_mib=("peak_mib", "max"),
    )
    return stages.sort_values("wall_minutes", ascending=False).reset_index()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", required=True)
    cost = cost_table(Path("results", parser.parse_args().tier, "benchmarks"))
    print(cost_by_stage(cost).to_markdown(index=False, floatfmt=".1f"))


if __name__ == "__main__":
    run_program(main)
