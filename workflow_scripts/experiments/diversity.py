"""Diversity: find how few backward solutions in SFT are enough for RL to select that strategy.

python -m workflow_scripts.experiments.diversity PLAN
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import pandas as pd
from matplotlib.figure import Figure

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.metrics import Subset
from workflow_scripts.experiments import theory
from workflow_scripts.experiments.experiment import Experiment, Product
from workflow_scripts.experiments.runs import Branch, Grid, Member, SftData
from workflow_scripts.report import style
from workflow_scripts.report.inputs import SFT, Inputs, rl_stage
from workflow_scripts.report.tables import MIX_NOTE, Table, accuracy_and_fitting, table_row
from workflow_scripts.settings.strategies import model_of_share, percent
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Distinct, NamedShare
from workflow_scripts.task.problems import PROBLEM_TYPES


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

    def figures(self, study: StudySettings) -> dict[str, Product[Figure]]:
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


def _figure(inputs: Inputs[Diversity]) -> Figure:
    """Draw accuracy and use of the fitting strategy by the share of backward solutions in SFT.

    One panel per measure, one line per problem type and stage.
    """
    shares = sorted(inputs.experiment.backward_shares)
    figure, axes = style.new_figure(2.9, 1, 2, sharey=True)
    drawn = []
    for panel, (measure, label) in zip(
        axes[0],
        (
            ("pass@1", style.ACCURACY),
            ("share_fitting", "share of the fitting\nstrategy (fraction)"),
        ),
        strict=True,
    ):
        for type in PROBLEM_TYPES:
            for stage in _stages(inputs):
                estimates = [
                    inputs.scores.group(model_of_share(share), stage, percent(share)).estimate(
                        measure, Subset(type, inputs.hardest)
                    )
                    for share in shares
                ]
                color, marker, _ = style.TYPES[type]
                after = stage != SFT
                look = {"linestyle": "-"} if after else {"linestyle": ":", "mfc": "white"}
                style.draw_estimates(panel, shares, estimates, color=color, marker=marker, **look)
                drawn += estimates
        panel.set_ylabel(label)
        panel.set_xlabel("share of backward solutions in SFT (fraction)")
        panel.set_xticks(shares)
        style.fraction_axis(panel)
        panel.yaxis.set_tick_params(labelleft=True)
    handles = [
        style.handle(
            f"{type}, {stage}",
            color=style.TYPES[type][0],
            marker=style.TYPES[type][1],
            linestyle=":" if stage == SFT else "-",
            mfc="white" if stage == SFT else None,
        )
        for type in PROBLEM_TYPES
        for stage in _stages(inputs)
    ]
    style.legend_above(figure, handles)
    problems = f"validation, {inputs.hardest} steps: {style.describe(drawn)}"
    style.add_footer(figure, inputs, problems)
    return figure


if __name__ == "__main__":
    run_stage(__doc__)
