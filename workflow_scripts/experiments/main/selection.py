"""Strategy selection (claims C1, C2, C6): FB learns in RL which strategy fits a problem."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.patches import Patch

from workflow_scripts.evaluate.curves import RISE
from workflow_scripts.evaluate.metrics import ALL_TYPES, Subset
from workflow_scripts.evaluate.statistics import Scale, Statistic
from workflow_scripts.experiments.main.learning import (
    MEASURES,
    ROOT_LABEL,
    mark_selection,
    measured_on,
    root_scale,
)
from workflow_scripts.report import paper, style
from workflow_scripts.report.accuracy import draw_by_type, table_by_type
from workflow_scripts.report.criteria import (
    GAPS,
    MARGIN,
    NEAR_PERFECT,
    NOT_ACQUIRED,
    PAPER_GAPS,
    RISES,
    Criterion,
)
from workflow_scripts.report.inputs import FITTING_TYPE, OTHER_TYPE, SFT, Inputs, rl_stage
from workflow_scripts.report.quantities import Ask, Quantity, baseline_of
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.tables import (
    BOTH_TYPES,
    CROSS_ENTROPY,
    MIX_NOTE,
    STRATEGIES,
    Table,
    table_row,
)
from workflow_scripts.settings.values import Range
from workflow_scripts.task import baselines
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
START = Criterion(
    "the paper's start of about 80 %, read as within 10 points, since GF(13) has 70-80 %",
    low=paper.SFT_ACCURACY.value - 0.1,
    high=paper.SFT_ACCURACY.value + 0.1,
)

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
    return Table(pd.DataFrame(rows), ["model"], "measure", notes, stacked=True)


# ---- figures -----------------------------------------------------------------------------------


def draw_selection(inputs: Inputs[Any]) -> Drawing:
    """Draw FB's accuracy and share of the fitting strategy during RL.

    There is a row per measure and a column per problem type. Each panel has one bold line (the mean
    over seeds), and one thin line per seed.
    """
    figure, axes = style.new_figure(
        3.2, len(MEASURES), len(BOTH_TYPES), style.COLUMN, sharex=True, sharey=True
    )
    stage, drawn = rl_stage(inputs.hardest), []
    for type, column in zip(BOTH_TYPES, axes.T, strict=True):
        column[0].set_title(f"FB on {type}")
        curves = inputs.curves("FB", stage, type=type)
        if curves is None:  # the RL prompts have no problem of this type
            continue
        drawn.append(curves)
        color = style.TYPES[type][0]
        for panel, (attribute, _) in zip(column, MEASURES, strict=True):
            curve = getattr(curves, attribute)
            panel.plot(curves.steps, curve.moving_means.T, color=color, linewidth=0.5, alpha=0.5)
            style.draw_band(panel, curves.steps, curves.band(curve), color=color, linewidth=1.6)
            root_scale(panel, len(curves.steps))
        style.draw_chance(column[0], inputs.study.task.field_size)
        style.draw_level(column[-1], RISE)
        mark_selection(column[-1], len(curves.steps), 0.12)
    for panel, (_, label) in zip(axes[:, 0], MEASURES, strict=True):
        panel.set_ylabel(label)
        style.fraction_axis(panel)
    figure.supxlabel(ROOT_LABEL, size=style.NORMAL)
    text = (
        f"FB, {stage}: {measured_on(drawn)}; dotted above: chance; dotted below: {100 * RISE:g} %"
    )
    if max((curves.n_seeds for curves in drawn), default=0) > 1:
        text += "; thin lines: single seeds"
    return Drawing(figure, text)


_SELDOM = 0.005  # a strategy with a smaller share in every bar is left out


def draw_routing(inputs: Inputs[Any]) -> Drawing:
    """Draw FB's strategies: one panel per problem type, one stacked bar per stage.

    The fitting strategy is at the bottom of each bar, with its interval.
    """
    figure, axes = style.new_figure(2.6, 1, len(BOTH_TYPES), style.COLUMN, sharey=True)
    stages = [stage for stage in inputs.stages() if inputs.scores.find("FB", stage)]
    groups, place = [inputs.scores.group("FB", stage) for stage in stages], range(len(stages))
    found = {
        (type, strategy): [group.estimate(share, Subset(type, inputs.hardest)) for group in groups]
        for type in BOTH_TYPES
        for strategy, share in STRATEGIES.items()
    }
    seldom = [
        strategy
        for strategy in STRATEGIES
        if all(each.value < _SELDOM for type in BOTH_TYPES for each in found[type, strategy])
    ]
    drawn = [strategy for strategy in STRATEGIES if strategy not in seldom]
    for panel, type in zip(axes[0], BOTH_TYPES, strict=True):
        bottom, fitting = np.zeros(len(stages)), FITTING_STRATEGY[type]
        for strategy in sorted(drawn, key=lambda each: each != fitting):
            look = style.bar_style(style.STRATEGIES[strategy])
            values = np.array([estimate.value for estimate in found[type, strategy]])
            panel.bar(place, values, 0.7, bottom, **look)
            bottom += values
        bars = {"color": "black", "linestyle": "none"}
        style.draw_estimates(panel, place, found[type, fitting], **bars)
        panel.set_title(f"FB on {type}")
        panel.set_xticks(place, [stage.replace("(", "\n(") for stage in stages])
        style.fraction_axis(panel)
    axes[0, 0].set_ylabel("share of responses")
    handles: list[Artist] = [
        Patch(label=strategy, **style.bar_style(look))
        for strategy, look in style.STRATEGIES.items()
        if strategy in drawn
    ]
    style.legend_above(figure, handles, columnspacing=1.2, handlelength=1.6)
    estimates = [each for several in found.values() for each in several]
    text = f"validation, {inputs.hardest} steps: {style.describe(estimates)}"
    text += "; intervals are of the fitting strategy"
    if seldom:
        text += f"; less than {100 * _SELDOM:g} % of responses in every bar: {', '.join(seldom)}"
    return Drawing(figure, text)


def accuracy(inputs: Inputs[Any]) -> Drawing:
    """Draw accuracy by type, with the values of the paper's Table 1."""
    return draw_by_type(inputs, inputs.study.task.field_size, paper.TABLE1)


# ---- claims ------------------------------------------------------------------------------------


def known(model: str, stage: str, type: str = ALL_TYPES) -> float | None:
    """A value of the paper's Table 1, or None if the table does not have it.

    The value of all types is the mean of both types, as ours is. The paper's own has another mix.
    """
    types = PROBLEM_TYPES if type == ALL_TYPES else (type,)
    values = [paper.TABLE1.get((model, stage, each)) for each in types]
    found = [value.value for value in values if value]
    return round(sum(found) / len(types), 4) if len(found) == len(types) else None


def measure(inputs: Inputs[Any]) -> list[Quantity]:
    """Measure claim C1: after RL, FB reaches near-perfect accuracy.

    F and B, whose accuracy before RL is similar, do not reach it.
    """
    return [*_after_rl(inputs), *_starts(inputs)]


def _after_rl(inputs: Inputs[Any]) -> list[Quantity]:
    steps, stage = inputs.hardest, rl_stage(inputs.hardest)
    after = {model: inputs.scores.find(model, stage) for model in ("FB", "F", "B")}
    on, chance = Subset(steps=steps), baselines.chance(inputs.study.task.field_size)
    before = baseline_of(inputs.scores.find("FB", SFT), "pass@1", on)
    ceiling = f"own type always right, chance on the other: {(1 + chance) / 2:.3f}"
    levels = [
        Ask(
            f"{model} after {stage}: pass@1 on {steps} steps, both types",
            NEAR_PERFECT if model == "FB" else SINGLE,
            on,
            known(model, stage),
        ).level(group, "pass@1", before if model == "FB" else ceiling)
        for model, group in after.items()
    ]
    gaps = [
        Ask(
            f"FB less {single} after {stage}: pass@1 on {steps} steps, both types",
            GAPS[single],
            on,
            PAPER_GAPS[single],
            primary=False,  # the levels imply it
        ).change(after["FB"], after[single], "pass@1")
        for single in ("F", "B")
    ]
    return [*levels, *gaps]


def _starts(inputs: Inputs[Any]) -> list[Quantity]:
    easy, task = inputs.study.data.sft_steps, inputs.study.task
    start = {model: inputs.scores.find(model, SFT) for model in ("F", "B", "FB")}
    on, where = Subset(steps=easy), f"after SFT: pass@1 on {easy} steps, both types"
    pairs = [
        Ask(f"{one} less {other} {where}", COMPARABLE, on).change(
            start[one], start[other], "pass@1"
        )
        for one, other in PAIRS
    ]
    guesses = _mean_over(easy, baselines.guess_and_check, inputs)
    ceiling = (
        f"own type always right, guess and check on the other: {(1 + guesses) / 2:.3f} "
        f"(as many guesses as fit into {task.response_words} words)"
    )
    levels = [
        Ask(f"{model} {where}", START, on, paper.SFT_ACCURACY.value, primary=False).level(
            group, "pass@1", ceiling
        )
        for model, group in start.items()
    ]
    return [*pairs, *levels]


def _mean_over(steps: Range, baseline: Callable[..., float], inputs: Inputs[Any]) -> float:
    """The mean of a baseline over the numbers of steps."""
    task, numbers = inputs.study.task, steps.values()
    found = (baseline(task.form, task.field_size, n, task.response_words) for n in numbers)
    return sum(found) / len(numbers)


def measure_routing(inputs: Inputs[Any]) -> list[Quantity]:
    """Measure claim C2: after RL, FB uses forward on evaluation and backward on inversion.

    Selection is the probability of an opening in the fitting direction, without a guess.
    """
    quantities: list[Quantity] = []
    for evaluation, measure, primary, what in (
        ("exact", inputs.exact("selection"), True, "selection of {}"),
        ("steps", "share_fitting", False, "share of {} (without a guess)"),
        ("steps", "share_fitting_direction", False, "share of {} (guesses included)"),
    ):
        quantities += _routing(inputs, evaluation, measure, _Shown(what, primary))
    return quantities


class _Shown(NamedTuple):
    """How a quantity is named, and whether it is primary."""

    name: str
    primary: bool


def _routing(
    inputs: Inputs[Any], evaluation: str, measure: str, shown: _Shown
) -> Iterator[Quantity]:
    """The level after RL by type, and for a primary measure also its rise from SFT."""
    steps, stage = inputs.hardest, rl_stage(inputs.hardest)
    after, before = (inputs.scores.find("FB", each, evaluation=evaluation) for each in (stage, SFT))
    for type in PROBLEM_TYPES:
        on, name = Subset(type, steps), shown.name.format(FITTING_STRATEGY[type])
        where = f"on {type}, {steps} steps"
        level = Ask(f"FB after {stage}: {name} {where}", FITTING, on, primary=shown.primary)
        yield level.level(after, measure, baseline_of(before, measure, on))
        if shown.primary:
            rise = Ask(f"FB, {stage} less SFT: {name} {where}", RISES, on)
            yield rise.change(after, before, measure)


def measure_no_new_strategy(inputs: Inputs[Any]) -> list[Quantity]:
    """Measure claim C6: RL does not teach F and B the strategy that their SFT data lacked."""
    steps, stage = inputs.hardest, rl_stage(inputs.hardest)
    verified, size = inputs.exact("verified"), inputs.study.task.field_size
    at_chance = Criterion("at chance within 5 points", high=baselines.chance(size) + MARGIN)
    answers = (
        f"chance {baselines.chance(size):.3f}; "
        f"affine shortcut {baselines.affine_shortcut(size):.3f}; "
        f"guess and check {_mean_over(steps, baselines.guess_and_check, inputs):.3f}; "
        f"guess, then another value {_mean_over(steps, baselines.guess_then_other, inputs):.3f}"
    )
    quantities = []
    for model, type in OTHER_TYPE.items():
        on, strategy = Subset(type, steps), FITTING_STRATEGY[type]
        (exact, exact_sft), (sampled, sampled_sft) = (
            [inputs.scores.find(model, each, evaluation=evaluation) for each in (stage, SFT)]
            for evaluation in ("exact", "steps")
        )
        where = f"{model} after {stage}, {type}, {steps} steps"
        quantities += [
            Ask(f"{where}: probability of the correct {strategy} solution", NOT_ACQUIRED, on).level(
                exact, verified, baseline_of(exact_sft, verified, on)
            ),
            Ask(f"{where}: share of {strategy} without a guess", NOT_ACQUIRED, on).level(
                sampled, "share_fitting", baseline_of(sampled_sft, "share_fitting", on)
            ),
            Ask(f"{where}: pass@1", at_chance, on, known(model, stage, type), primary=False).level(
                sampled, "pass@1", answers
            ),
        ]
    return quantities
