"""Diversity: find how few backward solutions in SFT are enough for RL to select that strategy.

python -m workflow_scripts.experiments.diversity PLAN
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.metrics import Subset
from workflow_scripts.experiments import theory
from workflow_scripts.experiments.experiment import Experiment, Product
from workflow_scripts.experiments.runs import Branch, Grid, Member, SftData
from workflow_scripts.report import style
from workflow_scripts.report.inputs import SFT, Inputs, rl_stage
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.tables import (
    BOTH_TYPES,
    MIX_NOTE,
    Table,
    accuracy_and_fitting,
    table_row,
)
from workflow_scripts.settings.strategies import model_of_share, percent
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Distinct, NamedShare


class Diversity(Experiment):
    """SFT with several shares of backward solutions, then RL on the main experiment's prompts."""

    name: ClassVar[str] = "diversity"

    backward_shares: Annotated[list[NamedShare], Distinct]
    """Shares of backward solutions among the SFT examples. Each share gives an SFT run per seed."""

    def members(self, grid: Grid) -> Iterator[Member]:
        """One SFT run for each share, and one RL run that starts from its model."""
        for seed in self.seeds(grid.study):
            for share in self.backward_shares:
                data = SftData.singles(grid.study.data, share)
                branch = Branch(
                    data.name, data, (grid.hardest,), self.overrides, condition=percent(share)
                )
                yield from grid.grow(branch, seed)

    def tables(self, study: StudySettings) -> dict[str, Product[Table]]:
        """A table of accuracy and strategies by share of backward solutions."""
        return {self.name: Product("SFT with few backward solutions, then RL", _table)}

    def figures(self, study: StudySettings) -> dict[str, Product[Drawing]]:
        """Accuracy and strategies by share of backward solutions, and selection in theory.

        The theory is about SFT with both strategies.
        """
        figures = {self.name: Product("How little of a strategy is enough for selection", _figure)}
        if theory.mixes(self.backward_shares):
            figures["theory"] = Product(
                "Selection in RL, and what two theories predict of it",
                theory.draw,
                scores=(),
                training=self.name,
                reading=theory.READING,
            )
        return figures


def _stages(inputs: Inputs[Diversity]) -> list[str]:
    return [SFT, rl_stage(inputs.hardest)]


def _table(inputs: Inputs[Diversity]) -> Table:
    rows = []
    for share in sorted(inputs.experiment.backward_shares):
        for stage in _stages(inputs):
            group = inputs.scores.group(model_of_share(share), stage, percent(share))
            for measure, estimate in accuracy_and_fitting(group, inputs.hardest).items():
                keys = {"backward_percent": percent(share), "stage": stage, "measure": measure}
                rows.append(table_row(keys, estimate))
    notes = (f"Validation problems of {inputs.hardest} steps, fractions. {MIX_NOTE}",)
    return Table(pd.DataFrame(rows), ["backward_percent", "stage"], "measure", notes)


def _figure(inputs: Inputs[Diversity]) -> Drawing:
    """Draw accuracy and use of the fitting strategy by the share of backward solutions in SFT.

    One panel per measure, one series per problem type and stage. Lines join only SFT sets that have
    both strategies: how FB gets from no example of a strategy to some was not measured.
    """
    shares = sorted(inputs.experiment.backward_shares)
    figure, axes = style.new_figure(4.0, 2, 1, style.COLUMN, sharex=True)
    series = [(type, stage) for type in BOTH_TYPES for stage in _stages(inputs)]
    looks = {each: _look(*each) for each in series}
    drawn = []
    for (panel,), (measure, label) in zip(
        axes,
        (("pass@1", style.ACCURACY), ("share_fitting", "share of the\nfitting strategy")),
        strict=True,
    ):
        for (type, stage), shift in zip(series, style.dodge(len(series), 0.03), strict=True):
            on = Subset(type, inputs.hardest)
            estimates = [
                inputs.scores.group(model_of_share(share), stage, percent(share)).estimate(
                    measure, on
                )
                for share in shares
            ]
            for part in _joined(shares):
                x = np.add(shares[part], shift)
                style.draw_estimates(panel, x, estimates[part], **looks[type, stage])
            drawn += estimates
        panel.set_ylabel(label)
        panel.set_xticks(shares, [f"{share:g}" for share in shares])
        style.fraction_axis(panel)
    style.draw_chance(axes[0, 0], inputs.study.task.field_size)
    axes[-1, 0].set_xlabel("share of backward solutions in SFT")
    handles = [style.handle(f"{type}, {stage}", **look) for (type, stage), look in looks.items()]
    style.legend_above(figure, handles, ncols=2, columnspacing=1)
    text = f"validation, {inputs.hardest} steps: {style.describe(drawn)}; dotted: chance"
    return Drawing(figure, text)


def _look(type: str, stage: str) -> dict[str, Any]:
    """Open markers and dots after SFT, full markers and lines after RL."""
    color, marker, line = style.TYPES[type]
    after_sft = {"linestyle": ":", "mfc": "white"}
    return {"color": color, "marker": marker} | ({"linestyle": line} if stage != SFT else after_sft)


def _joined(shares: list[float]) -> list[slice]:
    """The parts of the shares that lines join: neighbours that both have both strategies."""
    parts, start = [], 0
    for end in range(1, len(shares) + 1):
        if end == len(shares) or shares[end - 1] == 0 or shares[end] == 1:
            parts.append(slice(start, end))
            start = end
    return parts


if __name__ == "__main__":
    run_stage(__doc__)
