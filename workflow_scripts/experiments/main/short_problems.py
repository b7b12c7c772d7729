"""What RL on hard problems alone costs on problems as short as those of SFT."""

from typing import Any

import pandas as pd

from workflow_scripts.evaluate.metrics import ALL_TYPES, Group, Subset
from workflow_scripts.evaluate.statistics import Scale
from workflow_scripts.report.inputs import FITTING_TYPE, Inputs
from workflow_scripts.report.tables import Table, table_row
from workflow_scripts.settings.values import single

READING = (
    "Compare the rows of a model within each measure, above all RL on hard problems with RL on "
    "problems as short as these. A loss is what RL on hard problems alone costs: the model no "
    "longer sees short problems and does not practise them. The last measure says whether the "
    "loss comes from writing more lines than a short program has. The paper reports accuracy on "
    "long problems and does not look at short ones. A clear loss would not contradict its "
    "claims, but it would limit them: the improved strategy then works at its new lengths, and "
    "less well at the old ones."
)
TOO_MANY = "too many lines"


def table(inputs: Inputs[Any]) -> Table:
    """pass@1, verified, and the share of too many lines among mistakes, by model and stage.

    F and B are measured on the type that their strategy fits, FB on both types.
    """
    steps, rows = inputs.study.data.sft_steps, []
    lengths = [*map(single, steps.values()), steps]
    for measure in ("pass@1", "verified", f"{TOO_MANY} / mistakes"):
        for model in inputs.models:
            for stage in inputs.stages(model=model):
                group = inputs.scores.group(model, stage)
                for length in dict.fromkeys(lengths):
                    name = str(length.low if length.low == length.high else length)
                    keys = {"measure": measure, "model": model, "stage": stage, "steps": name}
                    on = Subset(FITTING_TYPE.get(model, ALL_TYPES), length)
                    rows.append(table_row(keys, _estimate(group, measure, on)))
    notes = (
        f"Fractions, on validation problems of {steps} steps; F on evaluation, B on inversion, FB "
        "on both types, weighed equally. Verified responses use the fitting strategy and have no "
        f"mistake in any line. The measure “{TOO_MANY} / mistakes” is the share of responses whose "
        "first mistake is a line after the last needed one, among responses of the fitting "
        "strategy that have a mistake; it is not measured where no response has one.",
    )
    return Table(pd.DataFrame(rows), ["measure", "model", "stage"], "steps", notes)


def _estimate(group: Group, measure: str, on: Subset) -> Any:
    if not measure.startswith(TOO_MANY):
        return group.estimate(measure, on)
    # The column "problems" is 1 for each problem, so its mean is 1.
    mistakes = group.statistic("problems", on) - group.statistic("verified_given_fitting", on)
    share = group.statistic("mistake_too_many_lines_given_fitting", on) / mistakes
    return share.estimate(Scale.LOGIT, group.confidence)
