"""The memory and time to ask SLURM for, from the measured cost of such jobs."""

import csv
import math
from pathlib import Path

# Jobs ask for more than was measured: other nodes may be slower.
_MEMORY_FACTOR, _TIME_FACTOR = 2.0, 4.0
# MB and minutes. A job on a cluster also runs two processes of snakemake.
_LEAST = {"mem_mb": 1000, "runtime": 10}


def measured_needs(cost: Path, stage: str) -> dict[str, int] | None:
    """Megabytes and minutes for a job of a stage, from a tier's cost.csv in the reference.

    None if that has no job of the stage.
    """
    if not cost.is_file():
        return None
    with cost.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["stage"] == stage]
    if not rows:
        return None
    peak = max(float(row["peak_mib"]) for row in rows)
    longest = max(float(row["wall_seconds"]) for row in rows)
    needs = {
        "mem_mb": math.ceil(peak * _MEMORY_FACTOR),
        "runtime": math.ceil(longest * _TIME_FACTOR / 60),
    }
    return {name: max(value, _LEAST[name]) for name, value in needs.items()}
