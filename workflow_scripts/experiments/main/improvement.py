"""Strategy improvement (claims C3 and C4): RL on harder problems makes a strategy work on them."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from workflow_scripts.evaluate.curves import RISE, TIME_TO_RISE, fit_rise
from workflow_scripts.evaluate.curves import measure_time_scales as time_scales_of
from workflow_scripts.evaluate.metrics import ALL_TYPES, Subset
from workflow_scripts.evaluate.statistics import Scale, interval
from workflow_scripts.experiments.main.learning import MEASURES, label_steps, measured_on
from workflow_scripts.experiments.main.selection import RISES, known
from workflow_scripts.report import style
from workflow_scripts.report.accuracy import draw_by_steps
from workflow_scripts.report.criteria import MARGIN, Criterion
from workflow_scripts.report.inputs import FITTING_TYPE, SFT, Inputs, rl_stage
from workflow_scripts.report.paper import IMPROVEMENT_STEPS, SELECTION_STEPS
from workflow_scripts.report.quantities import NOT_MEASURED, Ask, Quantity
from workflow_scripts.settings.strategies import ModelName
from workflow_scripts.settings.values import Range

NO_GAIN = Criterion("a change within 5 points is none", high=MARGIN)
SELECTION_STEP = Criterion('the paper\'s "within about 40 steps"', high=SELECTION_STEPS.value)
IMPROVEMENT_STEP = Criterion(
    'the paper\'s "over hundreds of steps", at least one hundred', low=IMPROVEMENT_STEPS
)
TIME_RATIO = Criterion(
    "at least one hundred steps against 40", low=IMPROVEMENT_STEPS / SELECTION_STEPS.value
)

# ---- figures -----------------------------------------------------------------------------------


def draw_dynamics(inputs: Inputs[Any], models: list[ModelName], spans: list[Range]) -> Figure:
    """Draw accuracy and strategies during RL: a column per prompt set, a line per model."""
    figure, axes = style.new_figure(4.2, len(MEASURES), len(spans), sharex=True, sharey=True)
    drawn = []
    for column, steps in zip(axes.T, spans, strict=True):
        for model in models:
            curves = inputs.curves(model, rl_stage(steps))
            if curves is None:
                continue
            drawn.append(curves)
            color, _, line = style.MODELS[model]
            for panel, (attribute, _) in zip(column, MEASURES, strict=True):
                band = curves.band(getattr(curves, attribute))
                style.draw_band(panel, curves.steps, band, color=color, linestyle=line)
        column[0].set_title(f"{rl_stage(steps)}, on {steps} steps")
        label_steps(column[-1])
    for row, (_, label) in zip(axes, MEASURES, strict=True):
        row[0].set_ylabel(label)
        for panel in row:
            style.fraction_axis(panel)
    looks = {model: style.line_style(style.MODELS[model]) | {"marker": None} for model in models}
    style.legend_above(figure, [style.handle(model, **look) for model, look in looks.items()])
    style.add_footer(figure, inputs, measured_on(drawn))
    return figure


def draw_time_scales(inputs: Inputs[Any]) -> Figure:
    """Draw FB's selection and improvement as fractions of their rise.

    Start and end of a seed's rise are those of its fit (evaluate.curves.fit_rise). The points are
    where the fitted curves have made 90 % of the rise. The moving means come about 5 steps later.
    """
    figure, ((panel,),) = style.new_figure(3.0, 1, 1)
    curves = inputs.curves("FB", rl_stage(inputs.hardest))
    label_steps(panel)
    panel.set_ylabel("fraction of the rise made")
    panel.set_ylim(-0.25, 1.25)
    panel.axhline(RISE, color="0.5", linewidth=0.8, linestyle=":")
    if curves is None:
        style.add_footer(figure, inputs, "FB was not trained")
        return figure
    scales = time_scales_of(curves)
    looks = (
        ("selection: share of the fitting strategy", curves.fitting, scales.selection),
        (
            "improvement: accuracy given that strategy",
            curves.accuracy_given_fitting,
            scales.improvement,
        ),
    )
    for (label, curve, time), look in zip(looks, (style.FAST, style.SLOW), strict=True):
        color, marker, line = look
        completed = fit_rise(curves.steps, curve).completed(curve.moving_means)
        band = interval(curves.mean(completed), Scale.LINEAR, inputs.confidence)
        if np.isfinite(time.value):
            label += f", time constant {time.value:.0f} steps"
            risen = time.times(TIME_TO_RISE)
            style.draw_band(panel, curves.steps, band, color=color, linestyle=line)
            bars = [[risen.value - risen.ci_low], [risen.ci_high - risen.value]]
            panel.errorbar(risen.value, RISE, xerr=bars, color=color, marker=marker, markersize=6)
        panel.plot(curves.steps, band[0], color=color, linestyle=line, label=label)
    if np.isfinite(scales.ratio.value):
        low, high = scales.ratio.ci_low, scales.ratio.ci_high
        panel.set_title(
            f"FB, improvement / selection: {scales.ratio.value:.1f} [{low:.1f}, {high:.1f}]"
        )
    panel.legend(loc="lower right")
    style.add_footer(figure, inputs, measured_on([curves]))
    return figure


def draw_steps(inputs: Inputs[Any]) -> Figure:
    """Draw accuracy by number of steps."""
    return draw_by_steps(inputs, ("steps",))


# ---- claims ------------------------------------------------------------------------------------


def _known_change(model: str, stage: str, before: str, type: str = ALL_TYPES) -> float | None:
    after_value, before_value = known(model, stage, type), known(model, before, type)
    if after_value is None or before_value is None:
        return None
    return round(after_value - before_value, 3)


def measure(inputs: Inputs[Any]) -> list[Quantity]:
    """Measure claim C3: F and B gain on longer problems only from RL on longer problems.

    RL at SFT's difficulty should bring F and B no gain, and FB only selection of the fitting
    strategy.
    """
    steps = inputs.hardest
    same, harder = rl_stage(inputs.study.data.sft_steps), rl_stage(steps)
    find, quantities = inputs.scores.find, []
    for model, type in FITTING_TYPE.items():
        for stage, before, criterion in (
            (same, SFT, NO_GAIN),
            (harder, SFT, RISES),
            (harder, same, RISES),
        ):
            ask = Ask(
                f"{model}, {type}, {steps} steps: pass@1 after {stage} less after {before}",
                criterion,
                Subset(type, steps),
                _known_change(model, stage, before, type),
            )
            quantities.append(ask.change(find(model, stage), find(model, before)))
    given = "accuracy given the fitting strategy"
    for name, stage, before, measure, criterion in (
        ("share of the fitting strategy", same, SFT, "share_fitting", RISES),
        (given, same, SFT, "accuracy_given_fitting", NO_GAIN),
        (given, harder, SFT, "accuracy_given_fitting", RISES),
        ("pass@1", harder, same, "pass@1", RISES),
    ):
        ask = Ask(
            f"FB, both types, {steps} steps: {name} after {stage} less after {before}",
            criterion,
            Subset(steps=steps),
            _known_change("FB", stage, before) if measure == "pass@1" else None,
        )
        quantities.append(ask.change(find("FB", stage), find("FB", before), measure))
    return quantities


def measure_time_scales(inputs: Inputs[Any]) -> list[Quantity]:
    """Measure claim C4: selection takes about 40 RL steps, improvement hundreds.

    The numbers of steps are those to 90 % of the rise, by the fitted time constants.
    """
    curves = inputs.curves("FB", rl_stage(inputs.hardest))
    scales = time_scales_of(curves) if curves else None
    rise = "RL steps to 90 % of the rise of FB's {}: ln 10 times the time constant ({})"
    return [
        Quantity(
            rise.format("share of the fitting strategy", "selection"),
            SELECTION_STEP,
            scales.selection.times(TIME_TO_RISE) if scales else NOT_MEASURED,
            SELECTION_STEPS.value,
        ),
        Quantity(
            rise.format("accuracy given that strategy", "improvement"),
            IMPROVEMENT_STEP,
            scales.improvement.times(TIME_TO_RISE) if scales else NOT_MEASURED,
        ),
        Quantity(
            "time constant of improvement / that of selection",
            TIME_RATIO,
            scales.ratio if scales else NOT_MEASURED,
        ),
    ]
