"""Compare a finished tier with its reference results, number by number.

    python -m workflow_scripts.operate.compare main --configfile config/laptop.yaml

Compares every estimate in the metrics, and every quantity by which claims are judged:

- identical: value and interval are equal to the last digit, as the same seeds, code and processor
  give them;
- within the intervals: our value lies in the reference's interval, or the reference's value in
  ours. So a study of three seeds can be held against one of eight;
- different: neither. Of the numbers of an independent run with 95 % intervals, a few per cent are
  different by chance.

The page lists the numbers that are different. Only good results (see operate.receipts) are
compared. --configfile and --config are used as for snakemake.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, run_program
from workflow_scripts.evaluate.metrics import PROBLEM_COLUMNS, RUN_COLUMNS
from workflow_scripts.evaluate.storage import read_table
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.reference import REFERENCE
from workflow_scripts.operate.verify import (
    jobs_of,
    judge_jobs,
    read_plan,
    refuse_unless_good,
    study_parser,
)
from workflow_scripts.plan.plan import Plan

IDENTICAL, WITHIN, DIFFERENT = "identical", "within the intervals", "different"
_NUMBERS = ["value", "ci_low", "ci_high"]
# The columns of the metrics that identify an estimate.
_METRIC_KEYS = [*RUN_COLUMNS, "checkpoint", "evaluation", *PROBLEM_COLUMNS, "measure"]
_SHOWN = 20  # numbers that the page lists for each file


@dataclass(frozen=True)
class Comparison:
    """The numbers of one file that both sides have, by name, and how each pair compares.

    numbers has the columns value, ci_low and ci_high of both sides (ours with the suffix _ours),
    and the column outcome. n_missing counts the numbers that only one side has.
    """

    file: str
    numbers: pd.DataFrame
    n_missing: int

    def count(self, outcome: str) -> int:
        """The number of pairs with an outcome."""
        return int((self.numbers["outcome"] == outcome).sum())


def compare(file: str, ours: pd.DataFrame, reference: pd.DataFrame) -> Comparison:
    """Compare two tables of estimates whose indices name the numbers.

    Both have the columns value, ci_low and ci_high. Numbers that are NaN on both sides are equal.
    """
    both = reference[_NUMBERS].join(ours[_NUMBERS].add_suffix("_ours"), how="inner")
    n_missing = len(reference.index.symmetric_difference(ours.index))
    mine = both[[f"{name}_ours" for name in _NUMBERS]].set_axis(_NUMBERS, axis=1)
    theirs = both[_NUMBERS]
    equal = ((mine == theirs) | (mine.isna() & theirs.isna())).all(axis=1)
    inside = mine["value"].between(theirs["ci_low"], theirs["ci_high"]) | theirs["value"].between(
        mine["ci_low"], mine["ci_high"]
    )
    outcome = pd.Series(DIFFERENT, both.index).mask(inside, WITHIN).mask(equal, IDENTICAL)
    return Comparison(file, both.assign(outcome=outcome), n_missing)


def read_metrics(path: Path) -> pd.DataFrame:
    """The estimates of a metrics file, by the columns that identify them, joined to one name."""
    table = read_table(path, [*_METRIC_KEYS, *_NUMBERS])
    names = table[_METRIC_KEYS].astype(str).agg(" ".join, axis=1).str.split().str.join(" ")
    return table.set_index(names.rename("number"))


def read_quantities(path: Path) -> pd.DataFrame:
    """An experiment's quantities, by claim and name."""
    rows = {
        f"{claim} {quantity['name']}": {name: quantity[name] for name in _NUMBERS}
        for claim, quantities in read_json(path).items()
        for quantity in quantities
    }
    return pd.DataFrame.from_dict(rows, "index", dtype=float, columns=_NUMBERS)


_READERS = {"metrics": read_metrics, "quantities": read_quantities}


def compare_tier(plan: Plan, targets: list[str], reference: Path) -> list[Comparison]:
    """Compare the metrics and quantities of targets with those in the folder reference.

    Raises StudyError if a job of the targets is not good, or if the reference has none of them.
    """
    names = jobs_of(plan, targets)
    refuse_unless_good(plan, targets, judge_jobs(plan, names, Contents()))
    comparisons = []
    for name in names:
        read = _READERS.get(name.split("/")[0])
        if read is None:
            continue
        (path,) = map(Path, plan.jobs[name].outputs.values())
        file = path.relative_to(plan.results)
        if (reference / file).is_file():
            comparisons.append(compare(str(file), read(path), read(reference / file)))
    if not comparisons:
        raise StudyError(f"{reference} has no metrics and no quantities of {', '.join(targets)}")
    return comparisons


def to_page(comparisons: list[Comparison]) -> str:
    """The text of the comparison: a line for each file, then the numbers that are different."""
    lines = [
        f"| file | {IDENTICAL} | {WITHIN} | {DIFFERENT} | on one side only |",
        "|:--|--:|--:|--:|--:|",
    ]
    for each in comparisons:
        counts = (each.count(outcome) for outcome in (IDENTICAL, WITHIN, DIFFERENT))
        lines.append(f"| {each.file} | {' | '.join(map(str, counts))} | {each.n_missing} |")
    for each in comparisons:
        different = each.numbers[each.numbers["outcome"] == DIFFERENT]
        if len(different):
            lines += ["", f"{each.file}, {DIFFERENT} (reference, then ours):"]
            lines += [
                f"- {name}: {_estimate(row[_NUMBERS])}, "
                f"{_estimate(row[[f'{number}_ours' for number in _NUMBERS]])}"
                for name, row in different.head(_SHOWN).iterrows()
            ]
            if len(different) > _SHOWN:
                lines.append(f"- and {len(different) - _SHOWN} more")
    return "\n".join(lines)


def _estimate(numbers: pd.Series) -> str:
    value, low, high = numbers
    return f"{value:.4g} [{low:.4g}, {high:.4g}]"


def main() -> None:
    """Run the command line."""
    arguments = study_parser(__doc__).parse_args()
    plan = read_plan(arguments)
    print(to_page(compare_tier(plan, arguments.targets, REFERENCE / plan.study.tier)))


if __name__ == "__main__":
    run_program(main)
