"""Amplification: test whether the share of forward responses follows the mix of the RL prompts.

python -m workflow_scripts.experiments.amplification PLAN
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import pandas as pd
from matplotlib.figure import Figure

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.metrics import Group, Subset
from workflow_scripts.experiments.experiment import ClaimPart, Experiment, Measured, Product
from workflow_scripts.experiments.runs import Grid, Member, Prompts, SftData
from workflow_scripts.report import style
from workflow_scripts.report.criteria import MARGIN, Criterion
from workflow_scripts.report.inputs import Inputs, rl_stage
from workflow_scripts.report.quantities import Ask, Quantity
from workflow_scripts.report.tables import Table, table_row
from workflow_scripts.settings.strategies import percent
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Distinct, NamedShare
from workflow_scripts.task.problems import EVALUATION, INVERSION, PROBLEM_TYPES

NO_CHANGE = Criterion("a change within 5 points is none", low=-MARGIN, high=MARGIN)


class Amplification(Experiment):
    """RL of FB on prompt sets with different shares of evaluation problems."""

    name: ClassVar[str] = "amplification"

    evaluation_shares: Annotated[list[NamedShare], Distinct]
    """Shares of evaluation problems among the RL prompts. Each share gives one RL run per seed."""

    def members(self, grid: Grid) -> Iterator[Member]:
        """FB after RL on each prompt set, starting from the SFT models of the main experiment."""
        data = grid.study.data
        for seed in self.seeds(grid.study):
            for share in self.evaluation_shares:
                prompts = Prompts.singles(data, grid.main.hardest, share)
                mix = SftData.of_model(data, "FB")
                sft = grid.add_sft(mix, seed, self.overrides)
                run = grid.add_rl(sft, prompts, self.overrides)
                yield Member(run, "FB", prompts.stage, percent(share), ("steps",))

    def tables(self, study: StudySettings) -> dict[str, Product[Table]]:
        """A table of strategies and accuracy by share of evaluation prompts."""
        return {self.name: Product("Strategies after RL on uneven mixes of types", _table)}

    def figures(self, study: StudySettings) -> dict[str, Product[Figure]]:
        """A figure of strategies and accuracy by share of evaluation prompts."""
        return {self.name: Product("Share of forward responses by RL prompt mix", _figure)}

    def claims(self) -> Measured:
        """The quantities for claim C7."""
        shown = ("tables/amplification", "figures/amplification")
        return Measured({"C7": ClaimPart(_measure, shown)})


def _mix(share: float) -> dict[str, float]:
    return {EVALUATION: share, INVERSION: 1 - share}


def _shares(inputs: Inputs[Amplification]) -> list[float]:
    return sorted(inputs.experiment.evaluation_shares)


def _group(inputs: Inputs[Amplification], share: float) -> Group:
    return inputs.scores.group("FB", rl_stage(inputs.hardest), percent(share))


def _table(inputs: Inputs[Amplification]) -> Table:
    steps, rows = inputs.hardest, []
    for share in _shares(inputs):
        group = _group(inputs, share)
        balanced, on_mix = Subset(steps=steps), Subset(steps=steps, mix=_mix(share))
        evaluation, inversion = Subset(EVALUATION, steps), Subset(INVERSION, steps)
        columns = {
            "share forward, RL's mix": group.estimate("share_forward", on_mix),
            "share forward, balanced": group.estimate("share_forward", balanced),
            "share forward, evaluation": group.estimate("share_forward", evaluation),
            "share backward, inversion": group.estimate("share_backward", inversion),
            "pass@1, evaluation": group.estimate("pass@1", evaluation),
            "pass@1, inversion": group.estimate("pass@1", inversion),
        }
        for measure, estimate in columns.items():
            keys = {"evaluation_percent": percent(share), "measure": measure}
            rows.append(table_row(keys, estimate))
    notes = (
        f"FB after RL({steps}), validation problems of {steps} steps, weighted by type to the mix "
        "of the RL prompts or balanced.",
        "The paper: the share of forward responses follows the share of evaluation prompts.",
    )
    return Table(pd.DataFrame(rows), ["evaluation_percent"], "measure", notes)


def _figure(inputs: Inputs[Amplification]) -> Figure:
    figure, ((panel, accuracy),) = style.new_figure(2.9, 1, 2)
    steps, shares = inputs.hardest, _shares(inputs)
    groups = [_group(inputs, share) for share in shares]
    on_mix = [
        group.estimate("share_forward", Subset(steps=steps, mix=_mix(share)))
        for group, share in zip(groups, shares, strict=True)
    ]
    balanced = [group.estimate("share_forward", Subset(steps=steps)) for group in groups]
    panel.plot([0.4, 1], [0.4, 1], color="0.6", linewidth=0.8, label="prompts' share")
    style.draw_estimates(
        panel, shares, on_mix, **style.line_style(style.FAST), label="mixed as in RL"
    )
    style.draw_estimates(panel, shares, balanced, **style.line_style(style.SLOW), label="balanced")
    panel.set_ylabel("share of forward responses (fraction)")
    style.fraction_axis(panel)
    for type in PROBLEM_TYPES:
        estimates = [group.estimate("pass@1", Subset(type, steps)) for group in groups]
        style.draw_estimates(
            accuracy, shares, estimates, **style.line_style(style.TYPES[type]), label=type
        )
    accuracy.set_ylabel(style.ACCURACY)
    style.fraction_axis(accuracy)
    figure.legend(loc="outside upper center", ncols=5, columnspacing=1.2)
    for each in (panel, accuracy):
        each.set_xticks(shares)
        each.set_xlim(0.4, 1)
        each.set_xlabel("evaluation's share of RL prompts (fraction)")
    problems = f"FB after RL({steps}), validation, {steps} steps: {style.describe(balanced)}"
    style.add_footer(figure, inputs, problems)
    return figure


def _measure(inputs: Inputs[Amplification]) -> list[Quantity]:
    """Measure claim C7: RL amplifies forward only because its prompts are mostly evaluation.

    On problems with the mix of the RL prompts, the share of forward responses should equal the
    share of evaluation prompts. On balanced problems the share should not depend on the mix.
    """
    steps, stage, shares = inputs.hardest, rl_stage(inputs.hardest), _shares(inputs)
    groups = [inputs.scores.find("FB", stage, percent(share)) for share in shares]
    quantities = []
    for share, group in zip(shares, groups, strict=True):
        ask = Ask(
            f"RL prompts with {share:.0%} evaluation: share of forward at that mix, less {share:g}",
            NO_CHANGE,
            Subset(steps=steps, mix=_mix(share)),
        )
        quantities.append(ask.level(group, "share_forward", baseline=share))
    if len(shares) > 1:
        ask = Ask(
            f"share of forward on balanced problems, {shares[-1]:.0%} less {shares[0]:.0%} "
            "evaluation in RL (selection, not one strategy for all)",
            NO_CHANGE,
            Subset(steps=steps),
        )
        quantities.append(ask.change(groups[-1], groups[0], "share_forward"))
    return quantities


if __name__ == "__main__":
    run_stage(__doc__)
