"""Amplification: test whether the share of forward responses follows the mix of the RL prompts.

python -m workflow_scripts.experiments.amplification PLAN
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import pandas as pd

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.metrics import Group, Subset
from workflow_scripts.evaluate.statistics import Design, Scale, Statistic, ratio_over_seeds
from workflow_scripts.experiments.experiment import ClaimPart, Experiment, Measured, Product
from workflow_scripts.experiments.runs import Grid, Member, Prompts, SftData
from workflow_scripts.report import style
from workflow_scripts.report.criteria import MARGIN, NO_CHANGE, NO_GAIN, RISES, Criterion
from workflow_scripts.report.inputs import Inputs, rl_stage
from workflow_scripts.report.quantities import MISSING, Ask, Quantity, baseline_of
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.tables import BOTH_TYPES, Table, table_row
from workflow_scripts.settings.strategies import percent
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Distinct, NamedShare, Range, single
from workflow_scripts.task.problems import EVALUATION, INVERSION, PROBLEM_TYPES
from workflow_scripts.task.solutions import FORWARD

EARLY, FIRST = Range(low=10, high=20), single(1)  # RL steps


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

    def figures(self, study: StudySettings) -> dict[str, Product[Drawing]]:
        """A figure of strategies and accuracy by share of evaluation prompts."""
        return {self.name: Product("Share of forward responses by RL prompt mix", _figure)}

    def claims(self) -> Measured:
        """The quantities for claim C7."""
        shown = ("tables/amplification", "figures/amplification")
        return Measured({"C7": ClaimPart(_measure, shown)}, training=self.name)


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
        inversion, evaluation = (Subset(type, steps) for type in BOTH_TYPES)
        columns = {
            "share forward, RL's mix": group.estimate("share_forward", on_mix),
            "share forward, balanced": group.estimate("share_forward", balanced),
            "share backward, inversion": group.estimate("share_backward", inversion),
            "share forward, evaluation": group.estimate("share_forward", evaluation),
            "pass@1, inversion": group.estimate("pass@1", inversion),
            "pass@1, evaluation": group.estimate("pass@1", evaluation),
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


def _figure(inputs: Inputs[Amplification]) -> Drawing:
    """Draw the share of forward responses above, and accuracy by type below."""
    figure, ((panel,), (accuracy,)) = style.new_figure(3.8, 2, 1, style.COLUMN, sharex=True)
    steps, shares = inputs.hardest, _shares(inputs)
    groups = [_group(inputs, share) for share in shares]
    on_mix = [
        group.estimate("share_forward", Subset(steps=steps, mix=_mix(share)))
        for group, share in zip(groups, shares, strict=True)
    ]
    balanced = [group.estimate("share_forward", Subset(steps=steps)) for group in groups]
    panel.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, label="the prompts' share")
    for estimates, look, label in zip(
        (on_mix, balanced),
        _ON_PROBLEMS,
        ("problems mixed as in RL", "both types equally"),
        strict=True,
    ):
        style.draw_estimates(panel, shares, estimates, **style.line_style(look), label=label)
    panel.set_ylabel("share of forward responses")
    for type in BOTH_TYPES:
        estimates = [group.estimate("pass@1", Subset(type, steps)) for group in groups]
        of_type = style.line_style(style.TYPES[type])
        style.draw_estimates(accuracy, shares, estimates, **of_type, label=type)
    accuracy.set_ylabel(style.ACCURACY)
    style.draw_chance(accuracy, inputs.study.task.field_size)
    accuracy.plot([], [], **style.GUIDE, label="chance")
    accuracy.set_xticks(shares)
    accuracy.set_xlim(min(shares) - 0.1, 1)
    accuracy.set_xlabel("share of evaluation in the prompts of RL")
    for each in (panel, accuracy):
        style.fraction_axis(each)
    panel.legend(loc="lower right")
    accuracy.legend(loc="center right")
    text = f"FB after RL({steps}), validation, {steps} steps: {style.describe(balanced)}"
    return Drawing(figure, text)


_ON_PROBLEMS = ((style.BLACK, "o", "-"), (style.PURPLE, "s", "--"))


def _measure(inputs: Inputs[Amplification]) -> list[Quantity]:
    """Measure claim C7: RL amplifies forward only because its prompts are mostly evaluation.

    On problems with the mix of the RL prompts, the share of forward responses should equal the
    share of evaluation prompts. On balanced problems the share should not depend on the mix. At the
    end of RL selection is complete, and both follow from it. So the same is also measured early.
    """
    return [*_at_the_end(inputs), *_early(inputs)]


def _follows(share: float) -> Criterion:
    reason = "the share of evaluation prompts, within 5 points"
    return Criterion(reason, low=share - MARGIN, high=share + MARGIN)


def _at_the_end(inputs: Inputs[Amplification]) -> Iterator[Quantity]:
    steps, stage, shares = inputs.hardest, rl_stage(inputs.hardest), _shares(inputs)
    groups = [inputs.scores.find("FB", stage, percent(share)) for share in shares]
    for share, group in zip(shares, groups, strict=True):
        ask = Ask(
            f"RL prompts with {share:.0%} evaluation: share of forward at that mix",
            _follows(share),
            Subset(steps=steps, mix=_mix(share)),
        )
        balanced = baseline_of(group, "share_forward", Subset(steps=steps))
        yield ask.level(group, "share_forward", f"on balanced problems, {balanced}")
    if len(shares) > 1:
        ask = Ask(
            f"share of forward on balanced problems, {shares[-1]:.0%} less {shares[0]:.0%} "
            "evaluation in RL (selection, not one strategy for all)",
            NO_CHANGE,
            Subset(steps=steps),
        )
        yield ask.change(groups[-1], groups[0], "share_forward")


def _early(inputs: Inputs[Amplification]) -> Iterator[Quantity]:
    """Supporting quantities from training rollouts, when selection is not complete.

    They do not decide the claim. With few inversion prompts, backward is selected more slowly on
    inversion, and this too leaves a higher share of forward.
    """
    shares = _shares(inputs)
    for share in shares:
        mix, early = f"RL prompts with {share:.0%} evaluation", _rollouts(inputs, [share], EARLY)
        ask = Ask(f"{mix}, RL steps {EARLY}: share of forward", _follows(share), primary=False)
        before = _text(_forward(_rollouts(inputs, [share], FIRST)))
        yield ask.of(
            _forward(early), Scale.LOGIT, inputs.confidence, f"at step 1: {before}", _origin(mix)
        )
        name = f"{mix}, RL steps {EARLY}: share of forward on evaluation less on inversion"
        on_evaluation, on_inversion = (_forward(early, type) for type in PROBLEM_TYPES)
        yield Ask(name, RISES, primary=False).of(
            _less(on_evaluation, on_inversion),
            Scale.LINEAR,
            inputs.confidence,
            "0 (the same on both)",
            _origin(mix),
        )
    if len(shares) > 1:
        yield from _forward_on_inversion(inputs, shares[0], shares[-1])


def _forward_on_inversion(
    inputs: Inputs[Amplification], least: float, most: float
) -> Iterator[Quantity]:
    """Whether RL on mostly evaluation prompts raises the share of forward where it does not fit."""
    early, other, start = (
        _forward(_rollouts(inputs, shares, steps), INVERSION)
        for shares, steps in (([most], EARLY), ([least], EARLY), (_shares(inputs), FIRST))
    )
    mix = f"RL prompts with {most:.0%} evaluation"
    name = f"{mix}, RL steps {EARLY}: share of forward on inversion, less"
    for less, reference, baseline in (
        (f"with {least:.0%}", other, f"with {least:.0%}"),
        ("at step 1", start, "at step 1 of all mixes"),
    ):
        ask, text = Ask(f"{name} {less}", NO_GAIN, primary=False), _text(reference)
        yield ask.of(
            _less(early, reference),
            Scale.LINEAR,
            inputs.confidence,
            f"{baseline}: {text}",
            _origin(f"inversion, {mix} less {baseline}"),
        )


def _origin(what: str) -> str:
    return f"FB, training rollouts, share of the direction forward, {what}"


def _rollouts(inputs: Inputs[Amplification], shares: list[float], steps: Range) -> pd.DataFrame:
    """The training rollouts of some prompt mixes at some RL steps."""
    training = inputs.training
    chosen = training["condition"].isin([percent(share) for share in shares])
    return training[chosen & training["step"].between(steps.low, steps.high)]


def _forward(rollouts: pd.DataFrame, type: str = "") -> Statistic | None:
    """The share of forward among training rollouts. None if there are none."""
    seeds = sorted(rollouts["seed"].unique().tolist())
    chosen = rollouts[rollouts["type"] == type] if type else rollouts
    if chosen.empty:
        return None
    counts = chosen.assign(forward=chosen["n"] * (chosen["direction"] == FORWARD))
    by_seed = counts.groupby("seed")[["forward", "n"]].sum().reindex(seeds, fill_value=0)
    over, under = (by_seed[name].to_numpy(float) for name in by_seed)
    design = Design(chosen["family"].iloc[0], tuple(seeds))
    return ratio_over_seeds(over, under, design, int(under.sum()) // len(seeds))


def _less(one: Statistic | None, other: Statistic | None) -> Statistic | None:
    return one - other if one and other else None


def _text(share: Statistic | None) -> str:
    return MISSING if share is None else f"{float(share.value):.3f}"


if __name__ == "__main__":
    run_stage(__doc__)
