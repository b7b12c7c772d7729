"""Tables: CSV with one row per estimate, and Markdown pages that also show the paper's values."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.evaluate.metrics import ALL_TYPES, Group, Subset
from workflow_scripts.evaluate.statistics import Estimate
from workflow_scripts.report.inputs import Inputs
from workflow_scripts.report.paper import Known
from workflow_scripts.settings.values import Range

TYPES = (ALL_TYPES, "inversion", "evaluation")  # in the paper's order
# The strategies that responses are divided into, with the measure of the share of each. Guess and
# check is one strategy in either direction; the others have no guess.
STRATEGIES = {
    "forward": "share_direct_forward",
    "backward": "share_direct_backward",
    "guess and check": "share_guessing",
    "mixed": "share_direct_mixed",
    "none": "share_direct_none",
}
CROSS_ENTROPY = "cross-entropy (nats/token)"

MIX_NOTE = "All-type rates weigh evaluation and inversion equally."


@dataclass(frozen=True)
class Table:
    """A table of estimates, with one estimate per row of frame.

    rows and spread name the key columns of frame. The Markdown table has one line per combination
    of the keys in rows, and one column per value of the key spread. frame also has the columns of
    an estimate; the field `value` names the column that holds the point estimate.
    """

    frame: pd.DataFrame
    rows: list[str]
    spread: str
    notes: tuple[str, ...]
    value: str = "value"


def table_row(
    keys: dict[str, Any], estimate: Estimate, known: Known | None = None
) -> dict[str, Any]:
    """A row of Table.frame: keys, the estimate, and the paper's value if known."""
    columns = ("value", "ci_low", "ci_high", "n_problems", "n_seeds")
    numbers = {column: getattr(estimate, column) for column in columns}
    return {**keys, **numbers, "paper": known.value if known else np.nan}


def accuracy_and_fitting(group: Group, steps: Range) -> dict[str, Estimate]:
    """pass@1 and the share of the fitting strategy, by problem type, on problems of some steps."""
    columns = {f"pass@1, {type}": group.estimate("pass@1", Subset(type, steps)) for type in TYPES}
    for type in TYPES[1:]:
        columns[f"share fitting, {type}"] = group.estimate("share_fitting", Subset(type, steps))
    return columns


def format_estimate(
    value: float, ci_low: float, ci_high: float, known: float = np.nan, decimals: int = 3
) -> str:
    """An estimate as ``0.957 [0.950, 0.963] (paper 0.960)``.

    Leaves out the interval or the paper's value if it is NaN.
    """
    if np.isnan(value):
        return "not measured"
    text = f"{value:.{decimals}f}"
    if not np.isnan(ci_low):
        text += f" [{ci_low:.{decimals}f}, {ci_high:.{decimals}f}]"
    return text + ("" if np.isnan(known) else f" (paper {known:.{decimals}f})")


def to_markdown(table: Table, title: str, inputs: Inputs[Any], reading: str = "") -> str:
    """The Markdown page of a table: its title, notes and cells, and below them how to read it."""
    cells = table.frame.copy()
    columns = cells[[table.value, "ci_low", "ci_high", "paper", table.spread]]
    cells["cell"] = [
        format_estimate(value, low, high, known, decimals=4 if spread == CROSS_ENTROPY else 3)
        for value, low, high, known, spread in columns.itertuples(index=False)
    ]
    wide = cells.pivot_table("cell", table.rows, table.spread, aggfunc="first", sort=False)
    body = wide.fillna("").reset_index().to_markdown(index=False, disable_numparse=True)
    problems = cells.loc[cells["n_problems"] > 0, "n_problems"]
    counts = f"{_span(problems)} problems, {_span(cells['n_seeds'])} seeds"
    notes = [f"{inputs.note}; {inputs.interval_note}; n of each estimate: {counts}.", *table.notes]
    if (cells["n_seeds"] == 1).any():
        notes.append("Intervals of one seed are over problems alone: other seeds may differ more.")
    if cells["paper"].notna().any():
        notes.append(
            "The paper's values and how certain each is: workflow_scripts/report/paper.py."
        )
    below = [reading, ""] if reading else []
    return "\n".join([f"# {title}", "", *notes, "", body, "", *below])


def _span(numbers: pd.Series) -> str:
    low, high = numbers.min(), numbers.max()
    return str(low) if low == high else f"{low}-{high}"
