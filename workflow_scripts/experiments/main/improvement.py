"""Strategy improvement (claims C3 and C4): RL on harder problems makes a strategy work on them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from workflow_scripts.evaluate.curves import (
    RISE,
    TIME_TO_RISE,
    fit_rise,
    risen_at,
    time_constants,
)
from workflow_scripts.evaluate.curves import measure_time_scales as time_scales_of
from workflow_scripts.evaluate.metrics import ALL_TYPES, Subset
from workflow_scripts.evaluate.statistics import Scale, interval
from workflow_scripts.experiments.main.learning import (
    MEASURES,
    ROOT_LABEL,
    mark_selection,
    measured_on,
    root_scale,
)
from workflow_scripts.experiments.main.selection import known
from workflow_scripts.report import style
from workflow_scripts.report.accuracy import draw_by_steps
from workflow_scripts.report.criteria import NO_GAIN, NO_LOSS, RISES, Criterion
from workflow_scripts.report.inputs import FITTING_TYPE, SFT, Inputs, rl_stage
from workflow_scripts.report.paper import IMPROVEMENT_STEPS, SELECTION_STEPS
from workflow_scripts.report.quantities import Ask, Quantity
from workflow_scripts.report.style import Drawing
from workflow_scripts.settings.strategies import ModelName
from workflow_scripts.settings.values import Range

SELECTION_STEP = Criterion('the paper\'s "within about 40 steps"', high=SELECTION_STEPS.value)
IMPROVEMENT_STEP = Criterion(
    'the paper\'s "over hundreds of steps", at least one hundred', low=IMPROVEMENT_STEPS
)
TIME_RATIO = Criterion(
    "at least one hundred steps against 40", low=IMPROVEMENT_STEPS / SELECTION_STEPS.value
)

# ---- figures -----------------------------------------------------------------------------------


def draw_dynamics(inputs: Inputs[Any], models: list[ModelName], spans: list[Range]) -> Drawing:
    """Draw accuracy and strategies during RL: a column per prompt set, a line per model."""
    figure, axes = style.new_figure(3.7, len(MEASURES), len(spans), sharex=True, sharey=True)
    drawn = []
    for column, steps in zip(axes.T, spans, strict=True):
        for model in models:
            curves = inputs.curves(model, rl_stage(steps))
            if curves is None:
                continue
            drawn.append(curves)
            for panel, (attribute, _) in zip(column, MEASURES, strict=True):
                band = curves.band(getattr(curves, attribute))
                style.draw_band(panel, curves.steps, band, **_LINES[model])
                root_scale(panel, len(curves.steps))
        column[0].set_title(f"{rl_stage(steps)}, on {steps} steps")
        style.draw_chance(column[0], inputs.study.task.field_size)
        column[-1].set_xlabel(ROOT_LABEL)
    for row, (_, label) in zip(axes, MEASURES, strict=True):
        row[0].set_ylabel(label)
        style.fraction_axis(row[0])
    handles = [style.handle(model, **_LINES[model]) for model in models]
    style.legend_above(figure, [*handles, style.guide_handle("chance")])
    return Drawing(figure, measured_on(drawn))


# F and B are often equal: F's line is wide, so that it stays visible under B's dashes.
_LINES = {
    model: style.line_style(look) | {"marker": None, "linewidth": 2.6 if model == "F" else 1.4}
    for model, look in style.MODELS.items()
}


def draw_time_scales(inputs: Inputs[Any]) -> Drawing:
    """Draw FB's selection and improvement as fractions of their rise.

    Start and end of a seed's rise are those of its fit (evaluate.curves.fit_rise). The points are
    where the fitted curves have made 90 % of the rise. The moving means come about 5 steps later.
    The paper's "about 40 steps" and "hundreds of steps" are marked.
    """
    figure, ((panel,),) = style.new_figure(2.7, 1, 1, style.COLUMN)
    curves = inputs.curves("FB", rl_stage(inputs.hardest))
    panel.set_xlabel(ROOT_LABEL)
    panel.set_ylabel("fraction of the rise")
    style.draw_level(panel, RISE)
    style.fraction_axis(panel)
    if curves is None:
        return Drawing(figure, "FB was not trained")
    scales, last = time_scales_of(curves), len(curves.steps)
    root_scale(panel, last)
    _mark_paper(panel, last)
    handles = []
    for label, curve, time, look in (
        ("selection", curves.fitting, scales.selection, style.FAST),
        ("improvement", curves.accuracy_given_fitting, scales.improvement, style.SLOW),
    ):
        color, marker, line = look
        completed = fit_rise(curves.steps, curve).completed(curve.moving_means)
        band = interval(curves.mean(completed), Scale.LINEAR, inputs.confidence)
        if np.isfinite(time.value):
            label += f", time constant {time.value:.0f} steps"
            risen = time.times(TIME_TO_RISE)
            style.draw_band(panel, curves.steps, band, color=color, linestyle=line)
            bars = [[risen.value - risen.ci_low], [risen.ci_high - risen.value]]
            panel.errorbar(risen.value, RISE, xerr=bars, color=color, marker=marker, markersize=6)
        handles.append(style.handle(label, color=color, linestyle=line, marker=marker))
    style.legend_above(figure, handles, ncols=1)
    text = f"{measured_on([curves])}; points: {100 * RISE:g} % of the fitted rise"
    if np.isfinite(scales.ratio.value):
        low, high = scales.ratio.ci_low, scales.ratio.ci_high
        ratio = f"{scales.ratio.value:.1f} [{low:.1f}, {high:.1f}]"
        text += f"; time constant of improvement / that of selection: {ratio}"
    return Drawing(figure, text)


def _mark_paper(panel: Axes, last: int) -> None:
    """Mark the paper's numbers of RL steps, of which "hundreds" begin at 100."""
    mark_selection(panel, last, 0.08)
    if last > IMPROVEMENT_STEPS:
        panel.axvspan(IMPROVEMENT_STEPS, last, color="0.94", linewidth=0, zorder=0)
        style.write(panel, "paper:\n“hundreds”", (last, 0.3), (-3, 0), ha="right")


def draw_steps(inputs: Inputs[Any]) -> Drawing:
    """Draw accuracy by number of steps."""
    prompts = {rl_stage(steps): steps for steps in inputs.experiment.rl_steps}
    return draw_by_steps(inputs, ("steps",), {SFT: inputs.study.data.sft_steps, **prompts})


# ---- claims ------------------------------------------------------------------------------------


def _known_change(model: str, stage: str, before: str, type: str = ALL_TYPES) -> float | None:
    after_value, before_value = known(model, stage, type), known(model, before, type)
    if after_value is None or before_value is None:
        return None
    return round(after_value - before_value, 3)


def measure(inputs: Inputs[Any]) -> list[Quantity]:
    """Measure claim C3: F and B gain on longer problems only from RL on longer problems.

    RL at SFT's difficulty should bring F and B no gain, and FB only selection of the fitting
    strategy. Improvement is measured by execution: the probability that a solution is right to its
    end, once its opening has selected the fitting strategy.
    """
    return [*_improvement(inputs), *_costs(inputs), *_answers(inputs), *_given_fitting(inputs)]


def _stages(inputs: Inputs[Any]) -> tuple[str, str]:
    """RL on problems as long as those of SFT, and on the hardest."""
    return rl_stage(inputs.study.data.sft_steps), rl_stage(inputs.hardest)


def _improvement(inputs: Inputs[Any]) -> Iterator[Quantity]:
    """Exact changes from SFT: execution of F and B on their own type, both measures of FB."""
    same, harder = _stages(inputs)
    of_single = [("execution", same, NO_GAIN), ("execution", harder, RISES)]
    of_both = [("selection", same, RISES), *of_single, ("selection", harder, RISES)]
    for model in ("F", "B", "FB"):
        type = FITTING_TYPE.get(model, ALL_TYPES)
        before = inputs.scores.find(model, SFT, evaluation="exact")
        for measure, stage, criterion in of_both if model == "FB" else of_single:
            ask = Ask(_name(inputs, model, measure, stage), criterion, Subset(type, inputs.hardest))
            after = inputs.scores.find(model, stage, evaluation="exact")
            yield ask.change(after, before, inputs.exact(measure))


def _name(inputs: Inputs[Any], model: str, what: str, stage: str, before: str = SFT) -> str:
    types = FITTING_TYPE.get(model, "both types")
    return f"{model}, {types}, {inputs.hardest} steps: {what}, {stage} less {before}"


def _costs(inputs: Inputs[Any]) -> Iterator[Quantity]:
    """What RL costs: at SFT's difficulty on longer problems, and on harder ones on shorter."""
    (same, harder), easy = _stages(inputs), inputs.study.data.sft_steps
    for model, type in FITTING_TYPE.items():
        after, before = (
            inputs.scores.find(model, stage, evaluation="exact") for stage in (same, SFT)
        )
        name = f"{_name(inputs, model, 'execution', same)}, harm"
        ask = Ask(name, NO_LOSS, Subset(type, inputs.hardest), primary=False)
        yield ask.change(after, before, inputs.exact("execution"))
    name = f"FB, both types, {easy} steps: pass@1, {harder} less {same}, harm"
    ask = Ask(name, NO_LOSS, Subset(steps=easy), primary=False)
    yield ask.change(inputs.scores.find("FB", harder), inputs.scores.find("FB", same), "pass@1")


def _answers(inputs: Inputs[Any]) -> Iterator[Quantity]:
    """Changes of pass@1, which the paper reports."""
    (same, harder), find = _stages(inputs), inputs.scores.find
    comparisons = [(same, SFT, NO_GAIN), (harder, SFT, RISES), (harder, same, RISES)]
    for model, chosen in (("F", comparisons), ("B", comparisons), ("FB", comparisons[-1:])):
        type = FITTING_TYPE.get(model, ALL_TYPES)
        for stage, before, criterion in chosen:
            ask = Ask(
                _name(inputs, model, "pass@1", stage, before),
                criterion,
                Subset(type, inputs.hardest),
                _known_change(model, stage, before, type),
                primary=False,
            )
            yield ask.change(find(model, stage), find(model, before), "pass@1")


def _given_fitting(inputs: Inputs[Any]) -> Iterator[Quantity]:
    """Sampled estimates of improvement: with and without guesses in the fitting direction."""
    same, _ = _stages(inputs)
    after, before = (inputs.scores.find("FB", stage) for stage in (same, SFT))
    for given, measure in (
        ("the fitting direction (guesses included)", "accuracy_given_fitting_direction"),
        ("the fitting strategy (without a guess)", "accuracy_given_fitting"),
    ):
        name = _name(inputs, "FB", f"accuracy given {given}", same)
        ask = Ask(name, NO_GAIN, Subset(steps=inputs.hardest), primary=False)
        yield ask.change(after, before, measure)


_FORMER = "former estimate, by moving means"


def measure_time_scales(inputs: Inputs[Any]) -> list[Quantity]:
    """Measure claim C4: selection is fast, improvement slow.

    The ratio of the two time constants decides. The paper's numbers of steps, about 40 and
    hundreds, depend on the learning rate.
    """
    stage = rl_stage(inputs.hardest)
    asks = [
        Ask("time constant of improvement / that of selection", TIME_RATIO),
        *_steps_to_rise("ln 10 times the time constant"),
        Ask(f"improvement / selection: {_FORMER}", TIME_RATIO, primary=False),
        *_steps_to_rise(_FORMER),
    ]
    curves = inputs.curves("FB", stage)
    if curves is None:
        return [ask.missing() for ask in asks]
    selection, improvement = time_constants(curves)
    selected_at, improved_at = risen_at(curves)
    equal, length = "1 (equally fast)", f"the length of RL: {len(curves.steps)} steps"
    found = [
        (improvement / selection, equal),
        (selection.times(TIME_TO_RISE), length),
        (improvement.times(TIME_TO_RISE), length),
        (improved_at / selected_at, equal),
        (selected_at, length),
        (improved_at, length),
    ]
    origin = f"FB {stage}, training rollouts, share of the fitting strategy and accuracy given it"
    return [
        ask.of(statistic, Scale.LOG, inputs.confidence, baseline, origin)
        for ask, (statistic, baseline) in zip(asks, found, strict=True)
    ]


def _steps_to_rise(how: str) -> tuple[Ask, Ask]:
    """How many RL steps selection and improvement take to 90 % of their rise."""
    name = "RL steps to 90 % of the rise of FB's {}: {}"
    return (
        Ask(
            name.format("share of the fitting strategy (selection)", how),
            SELECTION_STEP,
            paper=SELECTION_STEPS.value,
            primary=False,
        ),
        Ask(
            name.format("accuracy given that strategy (improvement)", how),
            IMPROVEMENT_STEP,
            primary=False,
        ),
    )
