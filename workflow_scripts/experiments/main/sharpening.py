"""How much of the gains of RL a lower temperature gives without RL."""

from typing import Any

import numpy as np

from workflow_scripts.evaluate.collect import EXACT, at_temperature
from workflow_scripts.evaluate.metrics import ALL_TYPES, Subset
from workflow_scripts.report import style
from workflow_scripts.report.inputs import FITTING_TYPE, Inputs
from workflow_scripts.report.style import Drawing

READING = (
    "RL can make a model right more often in two ways: it can teach it something, or it can "
    "sharpen what the model does anyway, as a lower temperature does too. A line that rises to "
    "the right is what sharpening alone gives to the models of a stage; compare where the line "
    "after SFT ends with where the lines after RL begin. If selection after SFT rises to that "
    "after RL as the temperature falls, then RL selects nothing that sampling at a low "
    "temperature does not. If execution does so, then RL improves nothing on longer problems. "
    "Either would speak against the paper. Selection is the probability of starting the correct "
    "direct solution, execution that of writing the rest of it without a mistake, verified that "
    "of both: their product."
)
MEASURES = (*EXACT, "verified")


def draw(inputs: Inputs[Any]) -> Drawing:
    """Draw exact measures by temperature: a row per measure, a column per model, a line per stage.

    F and B are measured on the type that their strategy fits, FB on both types.
    """
    models, temperatures = inputs.models, inputs.study.sampling.exact_temperatures
    falling, drawn = sorted(temperatures, reverse=True), []
    figure, axes = style.new_figure(4.7, len(MEASURES), len(models), sharex=True, sharey=True)
    for model, column in zip(models, axes.T, strict=True):
        type = FITTING_TYPE.get(model, ALL_TYPES)
        stages = inputs.stages(model=model)
        for stage, shift in zip(stages, style.dodge(len(stages), 0.2), strict=True):
            group = inputs.scores.group(model, stage, evaluation="exact")
            for panel, measure in zip(column, MEASURES, strict=True):
                names = [at_temperature(measure, each) for each in falling]
                estimates = group.estimates(names, Subset(type, inputs.hardest))
                look = style.stage_style(inputs, stage)
                x = np.arange(len(falling)) + shift
                style.draw_estimates(panel, x, estimates, **look)
                drawn += estimates
        column[0].set_title(f"{model} on {'both types' if type == ALL_TYPES else type}")
        column[-1].set_xlabel("temperature")
        column[-1].set_xticks(range(len(falling)), [f"{each:g}" for each in falling])
        column[-1].set_xlim(-0.3, len(falling) - 0.7)
    for panel, measure in zip(axes[:, 0], MEASURES, strict=True):
        panel.set_ylabel(measure)
    for panel in axes.flat:
        style.fraction_axis(panel)
    handles = [style.handle(each, **style.stage_style(inputs, each)) for each in inputs.stages()]
    style.legend_above(figure, handles)
    return Drawing(figure, style.describe_exact(drawn, inputs.hardest))
