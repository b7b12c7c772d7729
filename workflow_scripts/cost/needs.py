"""The memory and time that a job asks SLURM for, from the measured cost of jobs of its stage."""

import csv
import math
from pathlib import Path

# Jobs ask for a multiple of the measured memory and time, because other nodes may be slower.
_MEMORY_FACTOR, _TIME_FACTOR = 2.0, 4.0
# Minimum MB and minutes: a job on a cluster also runs two processes of snakemake.
_LEAST = {"mem_mb": 1000, "runtime": 10}


def measured_needs(cost: Path, stage: str) -> dict[str, int] | None:
    """Megabytes and minutes for a job of a stage, from cost.csv of the tier's reference results.

    None if the file is missing or has no job of the stage.
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
