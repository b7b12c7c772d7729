"""Strategy selection (claims C1, C2, C6): FB learns in RL which strategy fits a problem."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from workflow_scripts.evaluate.metrics import ALL_TYPES, Subset
from workflow_scripts.evaluate.statistics import Scale, Statistic, guess_and_check_pass_at_k
from workflow_scripts.experiments.main.learning import MEASURES, label_steps, measured_on
from workflow_scripts.report import paper, style
from workflow_scripts.report.accuracy import draw_by_type, table_by_type
from workflow_scripts.report.criteria import (
    CHANCE,
    GAP,
    MARGIN,
    NEAR_PERFECT,
    Criterion,
)
from workflow_scripts.report.inputs import FITTING_TYPE, OTHER_TYPE, SFT, Inputs, rl_stage
from workflow_scripts.report.quantities import Ask, Quantity
from workflow_scripts.report.tables import (
    CROSS_ENTROPY,
    MIX_NOTE,
    STRATEGIES,
    Table,
    table_row,
)
from workflow_scripts.task.problems import PROBLEM_TYPES
from workflow_scripts.task.solutions import FITTING_STRATEGY

SINGLE = Criterion(
    'the paper\'s "about 50-60 %", read as within 5 points', low=0.5 - MARGIN, high=0.6 + MARGIN
)
COMPARABLE = Criterion(
    "the paper calls 70-80 % on GF(13) comparable too, a spread of 0.10", low=-0.10, high=0.10
)
FITTING = Criterion(
    "the paper's 97.1 and 94.1 % need the fitting strategy in about 97 and 93 % of responses, as "
    "the other one is right by chance only; 0.95 is their mean",
    low=0.95,
)
RISES = Criterion("the statement is that it rises", low=0.0)
NOT_ACQUIRED = Criterion("none of its responses use the strategy, within 5 points", high=MARGIN)

# The models that are compared after SFT.
PAIRS = (("F", "B"), ("F", "FB"), ("B", "FB"))

# ---- tables ------------------------------------------------------------------------------------


def table1(inputs: Inputs[Any]) -> Table:
    """The paper's Table 1: pass@1 by model, stage and problem type."""
    return table_by_type(inputs, paper.TABLE1)


def sft_table(inputs: Inputs[Any]) -> Table:
    """The models after SFT: accuracy, strategies, cross-entropy, and the differences of models."""
    steps = inputs.study.data.sft_steps
    groups = {model: inputs.scores.group(model, SFT) for model in inputs.models}
    rows = []
    accuracies: dict[str, dict[str, Statistic]] = {"pass@1": {}, "pass@1 on the fitting type": {}}
    for model, group in groups.items():
        fitting_type = FITTING_TYPE.get(model, ALL_TYPES)
        for measure, type in zip(accuracies, (ALL_TYPES, fitting_type), strict=True):
            on = Subset(type, steps)
            accuracies[measure][model] = group.statistic("pass@1", on)
            known = paper.SFT_ACCURACY if measure == "pass@1" else None
            estimate = group.estimate("pass@1", on)
            rows.append(table_row({"model": model, "measure": measure}, estimate, known))
        for strategy, share in STRATEGIES.items():
            estimate = group.estimate(share, Subset(steps=steps))
            rows.append(table_row({"model": model, "measure": f"share {strategy}"}, estimate))
        measured = inputs.cross_entropy(model)
        if measured:
            estimate = measured.estimate(Scale.LINEAR, inputs.confidence)
            keys = {"model": model, "measure": CROSS_ENTROPY}
            rows.append(table_row(keys, estimate, paper.CROSS_ENTROPY.get((model, 1.0))))
    for measure, found in accuracies.items():
        for one, other in PAIRS:
            if {one, other} <= set(found):
                difference = found[one] - found[other]
                estimate = difference.estimate(Scale.LINEAR, inputs.confidence)
                rows.append(
                    table_row({"model": f"{one} less {other}", "measure": measure}, estimate)
                )
    notes = (
        f"Fractions, on validation problems of {steps} steps; both types fit FB. {MIX_NOTE}",
        "The level of cross-entropy depends on the tokens: it is not comparable to the paper's.",
    )
    return Table(pd.DataFrame(rows), ["model"], "measure", notes)


# ---- figures -----------------------------------------------------------------------------------


def draw_selection(inputs: Inputs[Any]) -> Figure:
    """Draw FB's accuracy and share of the fitting strategy during RL: one panel per measure.

    Each panel has one bold line per problem type (the mean over seeds), and one thin line per seed.
    """
    figure, axes = style.new_figure(2.9, 1, len(MEASURES), sharey=True)
    stage, drawn = rl_stage(inputs.hardest), []
    for type in PROBLEM_TYPES:
        curves = inputs.curves("FB", stage, type=type)
        if curves is None:  # the RL prompts have no problem of this type
            continue
        drawn.append(curves)
        color, _, line = style.TYPES[type]
        for panel, (attribute, label) in zip(axes[0], MEASURES, strict=True):
            curve = getattr(curves, attribute)
            singles = curve.moving_means.T
            panel.plot(curves.steps, singles, color=color, linewidth=0.6, alpha=0.5)
            band = curves.band(curve)
            style.draw_band(panel, curves.steps, band, color=color, linestyle=line)
            panel.set_ylabel(label)
            style.fraction_axis(panel)
            panel.yaxis.set_tick_params(labelleft=True)
            label_steps(panel)
    handles = [
        style.handle(type, **style.line_style(style.TYPES[type]) | {"marker": None})
        for type in PROBLEM_TYPES
    ]
    style.legend_above(figure, handles)
    footer = f"FB, {stage}: {measured_on(drawn)}"
    if max((curves.n_seeds for curves in drawn), default=0) > 1:
        footer += "; thin lines: single seeds"
    style.add_footer(figure, inputs, footer)
    return figure


def draw_routing(inputs: Inputs[Any]) -> Figure:
    """Draw FB's strategies: one panel per problem type, one stacked bar per stage."""
    types = PROBLEM_TYPES
    figure, axes = style.new_figure(2.6, 1, len(types), sharey=True)
    stages = [stage for stage in inputs.stages() if inputs.scores.find("FB", stage)]
    drawn = []
    for panel, type in zip(axes[0], types, strict=True):
        bottom = np.zeros(len(stages))
        for strategy, share in STRATEGIES.items():
            estimates = [
                inputs.scores.group("FB", stage).estimate(share, Subset(type, inputs.hardest))
                for stage in stages
            ]
            color, hatch = style.STRATEGIES[strategy]
            values = np.array([estimate.value for estimate in estimates])
            panel.bar(
                range(len(stages)), values, 0.6, bottom, color=color, hatch=hatch, edgecolor="white"
            )
            if strategy == "forward":
                style.draw_estimates(
                    panel, range(len(stages)), estimates, color="black", linestyle="none"
                )
            bottom += values
            drawn += estimates
        panel.set_title(f"FB on {type}")
        panel.set_xticks(range(len(stages)), stages)
        style.fraction_axis(panel)
    axes[0, 0].set_ylabel("share of responses (fraction)")
    handles: list[Artist] = [
        Patch(facecolor=color, hatch=hatch, edgecolor="white", label=strategy)
        for strategy, (color, hatch) in style.STRATEGIES.items()
    ]
    style.legend_above(figure, handles)
    problems = f"validation, {inputs.hardest} steps: {style.describe(drawn)}"
    problems += "; intervals are of forward"
    style.add_footer(figure, inputs, problems)
    return figure


def accuracy(inputs: Inputs[Any]) -> Figure:
    """Draw accuracy by type, with the values of the paper's Table 1."""
    return draw_by_type(inputs, inputs.study.task.field_size, paper.TABLE1)


# ---- claims ------------------------------------------------------------------------------------


def known(model: str, stage: str, type: str = ALL_TYPES) -> float | None:
    """A value of the paper's Table 1, or None if the table does not have it."""
    value = paper.TABLE1.get((model, stage, type))
    return value.value if value else None


def measure(inputs: Inputs[Any]) -> list[Quantity]:
    """Measure claim C1: after RL, FB reaches near-perfect accuracy.

    F and B, whose accuracy before RL is similar, do not reach it.
    """
    steps, easy, stage = inputs.hardest, inputs.study.data.sft_steps, rl_stage(inputs.hardest)
    after = {model: inputs.scores.find(model, stage) for model in ("F", "B", "FB")}
    start = {model: inputs.scores.find(model, SFT) for model in ("F", "B", "FB")}
    quantities = [
        Ask(
            f"{model} after {stage}: pass@1 on {steps} steps, both types",
            NEAR_PERFECT if model == "FB" else SINGLE,
            Subset(steps=steps),
            known(model, stage),
        ).level(after[model])
        for model in ("FB", "F", "B")
    ]
    for single in ("F", "B"):
        of_both, of_single = known("FB", stage), known(single, stage)
        ask = Ask(
            f"FB less {single} after {stage}: pass@1 on {steps} steps, both types",
            GAP,
            Subset(steps=steps),
            round(of_both - of_single, 3) if of_both and of_single else None,
        )
        quantities.append(ask.change(after["FB"], after[single]))
    for one, other in PAIRS:
        ask = Ask(
            f"{one} less {other} after SFT: pass@1 on {easy} steps, both types",
            COMPARABLE,
            Subset(steps=easy),
        )
        quantities.append(ask.change(start[one], start[other]))
    return quantities


def measure_routing(inputs: Inputs[Any]) -> list[Quantity]:
    """Measure claim C2: after RL, FB uses forward on evaluation and backward on inversion."""
    steps, stage = inputs.hardest, rl_stage(inputs.hardest)
    after, before = inputs.scores.find("FB", stage), inputs.scores.find("FB", SFT)
    shares = [
        Ask(
            f"FB after {stage}: share of {FITTING_STRATEGY[type]} on {type}, {steps} steps",
            FITTING,
            Subset(type, steps),
        ).level(after, "share_fitting")
        for type in PROBLEM_TYPES
    ]
    rises = [
        Ask(
            f"FB, rise of the share of {FITTING_STRATEGY[type]} on {type} from SFT to {stage}",
            RISES,
            Subset(type, steps),
        ).change(after, before, "share_fitting")
        for type in PROBLEM_TYPES
    ]
    return [*shares, *rises]


def measure_no_new_strategy(inputs: Inputs[Any]) -> list[Quantity]:
    """Measure claim C6: RL does not teach F and B the strategy that their SFT data lacked."""
    steps, stage, task = inputs.hardest, rl_stage(inputs.hardest), inputs.study.task
    chance = float(
        guess_and_check_pass_at_k(
            task.form, task.field_size, steps.values(), task.response_words, np.array(1)
        )
    )
    quantities = []
    for model, type in OTHER_TYPE.items():
        group, value = inputs.scores.find(model, stage), known(model, stage, type)
        on = Subset(type, steps)
        quantities += [
            Ask(
                f"{model} after {stage}: pass@1 on {type}, {steps} steps, less that of guess and "
                f"check ({chance:.3f})",
                CHANCE,
                on,
                # The paper's value is compared with its own chance level, 1 / field size.
                None if value is None else round(value - 1 / task.field_size, 3),
            ).level(group, baseline=chance),
            Ask(
                f"{model} after {stage}: share of {FITTING_STRATEGY[type]} on {type}",
                NOT_ACQUIRED,
                on,
            ).level(group, "share_fitting"),
        ]
    return quantities
