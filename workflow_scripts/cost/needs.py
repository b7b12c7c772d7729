"""What a heavy job asks of a scheduler: what such jobs took before, else what is configured."""

import csv
import math
from pathlib import Path

# Of what was measured: other nodes are slower, and other problems longer.
_MEMORY_FACTOR, _TIME_FACTOR = 2.0, 4.0
_LEAST = {"mem_mb": 1000, "runtime": 10}  # snakemake itself runs twice around each job


def measured_needs(cost: Path, stage: str) -> dict[str, int] | None:
    """Megabytes and minutes for a job of a stage, from the recorded cost of a tier's jobs.

    None if nothing was recorded of the stage.
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
