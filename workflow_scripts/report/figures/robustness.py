"""Accuracy with one setting changed at a time."""

import numpy as np
from matplotlib.figure import Figure

from workflow_scripts.report import style
from workflow_scripts.report.inputs import SFT, Inputs
from workflow_scripts.report.tables import robustness_seeds, robustness_stage


def robustness(inputs: Inputs) -> Figure:
    """A panel per axis with the accuracy of each model, and the cross-entropy after SFT."""
    axes_names = list(inputs.settings.experiments.robustness.axes)
    of_sft = [axis for axis in axes_names if axis.startswith("sft.")]
    n_panels = len(axes_names) + len(of_sft)
    columns = min(3, n_panels)
    rows = -(-n_panels // columns)
    figure, grid = style.new_figure(0.9 + 1.9 * rows, rows, columns)
    panels = list(grid.flat)
    for unused in panels[n_panels:]:
        unused.set_axis_off()
    drawn = []
    for panel, axis in zip(panels, axes_names, strict=False):
        drawn += _draw_accuracy(panel, inputs, axis)
    for panel, axis in zip(panels[len(axes_names) :], of_sft, strict=False):
        _draw_cross_entropy(panel, inputs, axis)
    handles = [
        style.handle(model, **style.line_style(style.MODELS[model])) for model in inputs.models
    ]
    style.legend_above(figure, handles)
    measured_on = f"validation: {style.describe(drawn)} ({robustness_seeds(inputs)})"
    style.add_footer(figure, inputs, f"bold: the study's own value; {measured_on}")
    return figure


def _label_axis(panel, inputs: Inputs, axis: str) -> None:
    labels = [
        f"{value:g}" if isinstance(value, int | float) else str(value)
        for value, _ in inputs.conditions(axis)
    ]
    conditions = [condition for _, condition in inputs.conditions(axis)]
    panel.set_xticks(range(len(labels)), labels)
    panel.get_xticklabels()[conditions.index("default")].set_weight("bold")
    panel.set_xlim(-0.4, len(labels) - 0.6)
    panel.set_xlabel(axis)


def _draw_accuracy(panel, inputs: Inputs, axis: str) -> list:
    stage, drawn = robustness_stage(inputs, axis), []
    steps = inputs.settings.data.sft_steps if stage == SFT else inputs.hardest
    for model, offset in zip(
        inputs.models, np.linspace(-0.08, 0.08, len(inputs.models)), strict=True
    ):
        points = [
            (x + offset, group.estimate("pass@1", steps=steps))
            for x, (_, condition) in enumerate(inputs.conditions(axis))
            if (group := inputs.scores.group(model, stage, condition))
        ]
        if points:
            x, estimates = zip(*points, strict=True)
            style.draw_estimates(panel, x, list(estimates), **style.line_style(style.MODELS[model]))
            drawn += estimates
    panel.set_title(f"{stage}, {steps} steps")
    panel.set_ylabel("accuracy (pass@1)")
    style.fraction_axis(panel)
    _label_axis(panel, inputs, axis)
    return drawn


def _draw_cross_entropy(panel, inputs: Inputs, axis: str) -> None:
    for model in inputs.models:
        points = [
            (x, measured[1])
            for x, (_, condition) in enumerate(inputs.conditions(axis))
            if (measured := inputs.cross_entropy(model, condition))
        ]
        if points:
            x, estimates = zip(*points, strict=True)
            style.draw_estimates(panel, x, list(estimates), **style.line_style(style.MODELS[model]))
    panel.set_title("SFT, cross-entropy")
    panel.set_ylabel("nats per token")
    panel.set_ylim(0, 1.3 * panel.get_ylim()[1])
    _label_axis(panel, inputs, axis)
