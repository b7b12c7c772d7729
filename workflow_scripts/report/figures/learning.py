"""What happens during RL: learning curves, and the time scales of their rise."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow_scripts.evaluate.curves import (
    RISE,
    WINDOW,
    Curves,
    fraction_of_rise,
    measure_time_scales,
    moving_mean,
)
from workflow_scripts.report import style
from workflow_scripts.report.inputs import Inputs, rl_stage
from workflow_scripts.settings.values import Range
from workflow_scripts.task.problems import PROBLEM_TYPES

# The curves' attribute, the same measure on validation, axis label.
_MEASURES = (
    ("accuracy", "pass@1", style.ACCURACY),
    ("fitting", "share_fitting", "share of the fitting\nstrategy (fraction)"),
)


def _measured_on(curves: list[Curves]) -> str:
    rollouts = sum(each.n_rollouts for each in curves)
    seeds = max((each.n_seeds for each in curves), default=0)
    plural = "" if seeds == 1 else "s"
    return f"{WINDOW}-step moving means of {rollouts:,} training rollouts, {seeds} seed{plural}"


def _draw_scored(
    panel: Axes, inputs: Inputs, model: str, steps: Range, measure: str, shift: float
) -> None:
    """The scored checkpoints of a model, on validation problems as long as its prompts.

    Points are shifted by some RL steps: those of models at one level would hide each other.
    """
    stage = rl_stage(steps)
    where = {"model": model, "stage": stage, "evaluation": "checkpoints"}
    checkpoints = sorted(inputs.scores.unique("checkpoint", **where))
    groups = [
        inputs.scores.group(model, stage, evaluation="checkpoints", checkpoint=checkpoint)
        for checkpoint in checkpoints
    ]
    estimates = [group.estimate(measure, steps=steps) for group in groups]
    color, marker, _ = style.MODELS[model]
    look = {"color": color, "marker": marker, "mfc": "white", "linestyle": "none"}
    style.draw_estimates(panel, np.array(checkpoints) + shift, estimates, **look)


def _label_steps(panel: Axes) -> None:
    panel.set_xlabel("RL step")
    panel.xaxis.get_major_locator().set_params(integer=True)


def selection(inputs: Inputs) -> Figure:
    """FB on its RL prompts: a panel per measure, a line per type, thin lines of single seeds."""
    figure, axes = style.new_figure(2.9, 1, len(_MEASURES), sharey=True)
    stage, drawn = rl_stage(inputs.hardest), []
    for type in PROBLEM_TYPES:
        curves = inputs.curves("FB", stage, type=type)
        if curves is None:  # all prompts are of the other type
            continue
        drawn.append(curves)
        color, _, line = style.TYPES[type]
        for panel, (attribute, _, label) in zip(axes[0], _MEASURES, strict=True):
            singles = moving_mean(*getattr(curves.single_seeds, attribute))
            panel.plot(curves.steps, singles.T, color=color, linewidth=0.6, alpha=0.5)
            band = curves.band(moving_mean(*getattr(curves, attribute)))
            style.draw_band(panel, curves.steps, band, color=color, linestyle=line)
            panel.set_ylabel(label)
            style.fraction_axis(panel)
            panel.yaxis.set_tick_params(labelleft=True)
            _label_steps(panel)
    handles = [
        style.handle(type, **style.line_style(style.TYPES[type]) | {"marker": None})
        for type in PROBLEM_TYPES
    ]
    style.legend_above(figure, handles)
    footer = f"FB, {stage}: {_measured_on(drawn)}"
    if max((curves.n_seeds for curves in drawn), default=0) > 1:
        footer += "; thin lines: single seeds"
    style.add_footer(figure, inputs, footer)
    return figure


def dynamics(inputs: Inputs) -> Figure:
    """A row per measure, a column per RL prompt set, a line per model."""
    spans = inputs.settings.experiments.main.rl_steps
    models = inputs.settings.experiments.main.models
    figure, axes = style.new_figure(4.2, len(_MEASURES), len(spans), sharex=True, sharey=True)
    drawn = []
    for column, steps in zip(axes.T, spans, strict=True):
        for index, model in enumerate(models):
            curves = inputs.curves(model, rl_stage(steps))
            if curves is None:
                continue
            drawn.append(curves)
            color, _, line = style.MODELS[model]
            for panel, (attribute, measure, _) in zip(column, _MEASURES, strict=True):
                band = curves.band(moving_mean(*getattr(curves, attribute)))
                style.draw_band(panel, curves.steps, band, color=color, linestyle=line)
                if inputs.scores:
                    shift = 0.02 * curves.steps[-1] * (index - (len(models) - 1) / 2)
                    _draw_scored(panel, inputs, model, steps, measure, shift)
        column[0].set_title(f"{rl_stage(steps)}, on {steps} steps")
        _label_steps(column[-1])
    for row, (_, _, label) in zip(axes, _MEASURES, strict=True):
        row[0].set_ylabel(label)
        for panel in row:
            style.fraction_axis(panel)
    handles = [style.handle(model, **style.line_style(style.MODELS[model])) for model in models]
    for each in handles:
        each.set_markerfacecolor("white")
    style.legend_above(figure, handles)
    footer = f"lines: {_measured_on(drawn)}"
    if inputs.scores:
        footer += "; points: validation, same lengths"
    style.add_footer(figure, inputs, footer)
    return figure


def time_scales(inputs: Inputs) -> Figure:
    """FB: each curve as a fraction of its own rise, and the step at which 90 % of it is made."""
    figure, ((panel,),) = style.new_figure(3.0, 1, 1)
    curves = inputs.curves("FB", rl_stage(inputs.hardest))
    _label_steps(panel)
    panel.set_ylabel("fraction of the rise made")
    panel.set_ylim(-0.25, 1.25)
    panel.axhline(RISE, color="0.5", linewidth=0.8, linestyle=":")
    if curves is None:
        style.add_footer(figure, inputs, "FB was not trained")
        return figure
    scales = measure_time_scales(curves)
    looks = (
        ("selection: share of the fitting strategy", curves.fitting, scales.selection),
        (
            "improvement: accuracy given that strategy",
            curves.accuracy_given_fitting,
            scales.improvement,
        ),
    )
    for (label, sums, risen), look in zip(looks, (style.FAST, style.SLOW), strict=True):
        color, marker, line = look
        band = curves.band(fraction_of_rise(*sums))
        if np.isfinite(risen.value):
            label += f", 90 % at step {risen.value:.0f}"
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
    style.add_footer(figure, inputs, _measured_on([curves]))
    return figure
