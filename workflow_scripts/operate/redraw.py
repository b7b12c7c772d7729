"""Draw figures and tables anew from recorded results, without training anything.

    python -m workflow_scripts.operate.redraw main --configfile config/laptop.yaml

Makes the figures and tables of the targets from the scores, mistakes, training rollouts and
cross-entropies in results/reference/<tier>, and writes them there, in place of the recorded ones.
So a change of a figure's looks needs no run. A figure or table whose inputs were not recorded stays
as it is, and is named with the first input that is missing. Nothing is judged: quantities and
claims stay as they were recorded. --configfile and --config are used as for snakemake; the settings
must be those of the recorded runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import run_program
from workflow_scripts.common.jobs import Job
from workflow_scripts.operate.reference import REFERENCE
from workflow_scripts.operate.verify import jobs_of, read_plan, study_parser
from workflow_scripts.plan.plan import Plan

_REDRAWN = ("figures", "tables")


@dataclass(frozen=True)
class Redrawn:
    """What became of a figure or a table: drawn anew if missing is None, else as it was.

    missing is the first of its inputs that was not recorded.
    """

    name: str
    missing: Path | None


def redraw(plan: Plan, targets: list[str], reference: Path) -> Iterator[Redrawn]:
    """Draw the figures and tables of targets from the folder reference, into that folder.

    Raises StudyError if the folder is not there, or if a recorded file is damaged.
    """
    if not reference.is_dir():
        raise StudyError(
            f"{reference}: no recorded results of the tier {plan.study.tier}: name a tier that has "
            f"some, or record them with make reference TIER={plan.study.tier}"
        )
    for name in jobs_of(plan, targets):
        if name.split("/")[0] not in _REDRAWN:
            continue
        job = _moved(plan.jobs[name], plan.results, reference)
        missing = [path for path in map(Path, job.input_files) if not path.is_file()]
        if not missing:
            job.run()
        yield Redrawn(name, missing[0] if missing else None)


def _moved(job: Job, results: Path, reference: Path) -> Job:
    """The same job, with all its files below reference instead of results."""

    def move(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: move(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [move(inner) for inner in value]
        if isinstance(value, str) and Path(value).is_relative_to(results):
            return str(reference / Path(value).relative_to(results))
        return value

    arguments, inputs, outputs = map(move, (job.arguments, job.inputs, job.outputs))
    return replace(job, arguments=arguments, inputs=inputs, outputs=outputs)


def main() -> None:
    """Run the command line."""
    arguments = study_parser(__doc__).parse_args()
    plan = read_plan(arguments)
    reference = REFERENCE / plan.study.tier
    drawn = 0
    for each in redraw(plan, arguments.targets, reference):
        if each.missing is None:
            drawn += 1
            print(f"{each.name}: drawn anew")
        else:
            print(f"{each.name}: left as it is, for {each.missing} was not recorded")
    print(f"{drawn} figures and tables drawn anew in {reference}")


if __name__ == "__main__":
    run_program(main)
