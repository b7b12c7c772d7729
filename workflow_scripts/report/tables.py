"""Tables of estimates, as data. Their pages for people are written by report.table_pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.evaluate.metrics import ALL_TYPES, Group, Subset
from workflow_scripts.evaluate.statistics import Estimate
from workflow_scripts.report.paper import Known
from workflow_scripts.settings.values import Range
from workflow_scripts.task import solutions

TYPES = (ALL_TYPES, "inversion", "evaluation")  # in the paper's order, as in all figures
BOTH_TYPES = TYPES[1:]
# The strategies that responses are divided into, with the measure of the share of each. Guess and
# check is one strategy in either direction; the others have no guess.
STRATEGIES = {
    **{strategy: f"share_direct_{strategy}" for strategy in solutions.STRATEGIES},
    "guess and check": "share_guessing",
    "mixed": "share_direct_mixed",
    "none": "share_direct_none",
}
CROSS_ENTROPY = "cross-entropy (nats/token)"

MIX_NOTE = "All-type rates weigh evaluation and inversion equally."


@dataclass(frozen=True)
class Table:
    """A table of estimates, with one estimate per row of frame.

    rows and spread name the key columns of frame. The pages have one line per combination of the
    keys in rows, and one group of columns per value of the key spread; shown lists these values if
    not all are shown. With stacked, the Markdown page has one line per estimate instead, ordered by
    spread. frame also has the columns of an estimate; the field `value` names the column that holds
    the point estimate. names has readable names of keys and of their values.
    """

    frame: pd.DataFrame
    rows: list[str]
    spread: str
    notes: tuple[str, ...]
    value: str = "value"
    stacked: bool = False
    shown: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


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


def format_estimate(value: float, ci_low: float, ci_high: float, decimals: int = 3) -> str:
    """An estimate as ``0.957 [0.950, 0.963]``. Leaves out an interval that is NaN."""
    if np.isnan(value):
        return "not measured"
    interval = format_interval(ci_low, ci_high, decimals)
    return " ".join(filter(None, (f"{value:.{decimals}f}", interval)))


def format_interval(low: float, high: float, decimals: int = 3) -> str:
    """An interval as ``[0.950, 0.963]``, or an empty text if it is NaN."""
    return "" if np.isnan(low) else f"[{low:.{decimals}f}, {high:.{decimals}f}]"
