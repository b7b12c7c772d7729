"""Summarize what `make benchmark` measured: print a table, and write benchmark.json.

    python -m workflow_scripts.cost.benchmark_summary --seconds 1100

The time to Table 1 was measured by make. The comparison with TRL was measured by cost.benchmark.
The hours of the whole tier are a forecast: the steps and rollouts of all its jobs, at the rates of
the jobs behind Table 1. Evaluations that Table 1 does not need are forecast at its seconds a
rollout, so the forecast is too low for those of longer responses.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, run_program, write_json
from workflow_scripts.cost.measured import cost_table
from workflow_scripts.cost.rates import recorded_rates, seconds_of
from workflow_scripts.cost.work import count_work
from workflow_scripts.plan.configuration import read_tier
from workflow_scripts.plan.study import Study

TIER, RESULTS = "laptop", Path("results/benchmark")
_IMPORTED = "workflow_scripts.evaluate.sample"
_IMPORTS = 5

# The names of benchmark.json, and how the table calls them.
RATIOS = {
    "rollouts_after_sft": "rollouts of an RL step, after SFT",
    "rollouts_after_rl": "rollouts of an RL step, after RL",
    "step_after_sft": "RL step, after SFT",
    "step_after_rl": "RL step, after RL",
    "evaluation_n16": "evaluation, 16 samples a problem",
    "evaluation_n128": "evaluation, 128 samples a problem",
}


def import_seconds() -> float:
    """Median seconds in which a new process imports what a job needs that samples a model."""
    seconds = []
    for _ in range(_IMPORTS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {_IMPORTED}"], check=True)
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def forecast_core_hours(results: Path) -> float:
    """The core hours of the whole tier at the rates of the jobs in results.

    Raises StudyError if results has no measured job of a stage.
    """
    jobs = count_work(Study(read_tier(TIER)))
    rates = recorded_rates(cost_table(results / "benchmarks"), results, jobs, str(results))
    seconds = {name: seconds_of(job, rates) for name, job in jobs.items()}
    unknown = sorted({jobs[name].stage for name, each in seconds.items() if each is None})
    if unknown:
        raise StudyError(f"{results}: no measured job of {', '.join(unknown)}: run table1 first")
    return sum(each for each in seconds.values() if each is not None) / 3600


def summarize(measured: dict[str, Any], results: Path, table1_seconds: float) -> dict[str, Any]:
    """The content of benchmark.json. measured is the file that cost.benchmark wrote."""
    ratios = {name: theirs / mine for name, (theirs, mine) in measured["seconds"].items()}
    return {
        "device": measured["device"],
        "cores": os.cpu_count(),
        "time_to_table1_seconds": table1_seconds,
        "core_hours": round(forecast_core_hours(results), 2),
        **{name: round(ratios[name], 2) for name in RATIOS},
        "import_seconds": round(import_seconds(), 2),
    }


def page(measured: dict[str, Any], summary: dict[str, Any]) -> str:
    """The summary as Markdown, with the seconds behind each ratio."""
    lines = [
        f"{summary['device']}, {summary['cores']} cores. Ratios: {measured['run']}, "
        f"{measured['completions']} completions a step, {measured['samples']} samples of an "
        f"evaluation, {measured['threads']} thread(s), medians.",
        "",
        "| | TRL, transformers | here | ratio |",
        "|---|--:|--:|--:|",
    ]
    for name, called in RATIOS.items():
        theirs, mine = measured["seconds"][name]
        lines.append(f"| {called} | {theirs:.2f} s | {mine:.2f} s | {summary[name]:.1f} |")
    lines += [
        f"| imports of a job that samples | | {summary['import_seconds']:.1f} s | |",
        f"| time to Table 1 | | {summary['time_to_table1_seconds'] / 60:.1f} min | |",
        f"| whole tier, forecast | | {summary['core_hours']:.1f} core hours | |",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, required=True, help="from nothing to Table 1")
    measured = read_json(RESULTS / "rl_benchmark.json")
    summary = summarize(measured, RESULTS, parser.parse_args().seconds)
    write_json(RESULTS / "benchmark.json", summary)
    print(page(measured, summary))


if __name__ == "__main__":
    run_program(main)
