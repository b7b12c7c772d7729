"""Accuracy on compositions by their number of parts."""

from itertools import cycle

from matplotlib.figure import Figure

from workflow_scripts.report import style
from workflow_scripts.report.inputs import SFT, Inputs
from workflow_scripts.settings.values import Range


def composition(inputs: Inputs) -> Figure:
    """A line per SFT data set and stage."""
    figure, ((panel,),) = style.new_figure(3.0, 1, 1)
    experiment, drawn = inputs.settings.experiments.composition, []
    numbers = experiment.validation_parts.values()
    for model, series in zip(inputs.models, cycle(style.SERIES), strict=False):
        for stage in inputs.stages(model=model):
            group = inputs.scores.group(model, stage, evaluation="parts")
            estimates = [
                group.estimate("pass@1", parts=Range(low=parts, high=parts)) for parts in numbers
            ]
            look = style.line_style(series)
            if stage == SFT:
                look |= {"linestyle": ":", "mfc": "white"}
            held = experiment.sft_parts[model]
            label = f"SFT on {held} parts" if held.high > 1 else "SFT on single parts"
            style.draw_estimates(
                panel, numbers, estimates, **look, label=label + ("" if stage == SFT else ", RL")
            )
            drawn += estimates
    trained = experiment.rl_parts
    panel.axvspan(
        trained.low - 0.2,
        trained.high + 0.2,
        color="0.94",
        zorder=0,
        label=f"RL's parts ({trained})",
    )
    chance = 1 / inputs.settings.task.field_size
    panel.axhline(chance, color="0.4", linewidth=0.8, linestyle="--", label="chance")
    panel.set_xticks(numbers)
    panel.set_xlabel("number of parts of the problem")
    panel.set_ylabel(style.ACCURACY)
    style.fraction_axis(panel)
    figure.legend(loc="outside upper center", ncols=3)
    style.add_footer(figure, inputs, f"each point: {style.describe(drawn)}")
    return figure
