"""The paper's two mechanisms in FB, measured exactly over RL: selection and execution."""

from typing import Any

import numpy as np

from workflow_scripts.evaluate.collect import EXACT
from workflow_scripts.evaluate.curves import measure_time_scales
from workflow_scripts.evaluate.metrics import Group, Subset
from workflow_scripts.evaluate.statistics import Estimate
from workflow_scripts.experiments.main.learning import ROOT_LABEL, root_scale
from workflow_scripts.report import style
from workflow_scripts.report.inputs import SFT, Inputs, rl_stage
from workflow_scripts.report.style import Drawing
from workflow_scripts.settings.values import Range, single

READING = (
    "Selection is the probability that FB starts the correct direct solution in the fitting "
    "direction. Execution is the probability that it then writes all the rest without a mistake. "
    "Both are computed from the model's probabilities, so they have no sampling noise. If the "
    "paper is right, selection rises early at every length in both columns, also at lengths that "
    "RL does not train. Execution of 6 and more steps rises late, and only in the right column. "
    "A rise of execution in the left column, or a selection that rises as slowly as execution, "
    "would speak against the paper. The time constants τ in the right column are fitted to the "
    "rollouts of RL training, over all lengths together."
)
_MOST_LENGTHS = 4  # more lengths than these are drawn as one line


def draw(inputs: Inputs[Any]) -> Drawing:
    """Draw selection and execution of FB by RL step.

    There is a row for each of the two, a column for each RL stage, and a line for each length of
    problems. Step 0 is the SFT model.
    """
    stages = [stage for stage in inputs.stages(model="FB") if stage != SFT]
    figure, axes = style.new_figure(3.9, len(EXACT), len(stages), sharex=True, sharey=True)
    lengths, drawn = _lengths(inputs), []
    looks = dict(
        zip(map(style.length_name, lengths), style.ordered_lines(len(lengths)), strict=True)
    )
    for column, stage in zip(axes.T, stages, strict=True):
        models = trajectory(inputs, stage)
        for panel, measure in zip(column, EXACT, strict=True):
            for length in lengths:
                estimates = _estimates(inputs, models, measure, length)
                look = looks[style.length_name(length)]
                style.draw_band(panel, list(models), style.band_of(estimates), **look)
                drawn += estimates
            style.fraction_axis(panel)
            root_scale(panel, max(models))
        column[0].set_title(f"FB during {stage}")
        column[-1].set_xlabel(ROOT_LABEL)
        if stage == rl_stage(inputs.hardest):
            _draw_time_constants(inputs, column)
    for panel, measure in zip(axes[:, 0], EXACT, strict=True):
        panel.set_ylabel(measure)
    handles = [style.handle(length, **look) for length, look in looks.items()]
    style.legend_above(figure, handles)
    seeds = max(estimate.n_seeds for estimate in drawn)
    problems = f"{min(e.n_problems for e in drawn)}–{max(e.n_problems for e in drawn)} problems"
    text = f"validation, exact, each line: {problems}, {seeds} seed{'' if seeds == 1 else 's'}"
    return Drawing(figure, f"{text}; τ: from training rollouts")


def trajectory(inputs: Inputs[Any], stage: str) -> dict[int, Group]:
    """The exact scores of FB by RL step: the SFT model, the checkpoints, and the final model."""
    scores, chosen = inputs.scores, {"model": "FB", "stage": stage}
    models = {0: scores.group("FB", SFT, evaluation="exact")}
    for step in sorted(scores.unique("checkpoint", evaluation="checkpoints", **chosen)):
        models[step] = scores.group("FB", stage, evaluation="checkpoints", checkpoint=step)
    (last,) = scores.unique("checkpoint", evaluation="exact", **chosen)
    return models | {last: scores.group("FB", stage, evaluation="exact")}


def _lengths(inputs: Inputs[Any]) -> list[Range]:
    """The lengths of SFT as one, and each length of the hardest RL."""
    hard = [single(steps) for steps in inputs.hardest.values()]
    return [
        inputs.study.data.sft_steps,
        *(hard if len(hard) <= _MOST_LENGTHS else [inputs.hardest]),
    ]


def _estimates(
    inputs: Inputs[Any], models: dict[int, Group], measure: str, length: Range
) -> list[Estimate]:
    on = Subset(steps=length)
    return [group.estimate(inputs.exact(measure), on) for group in models.values()]


def _draw_time_constants(inputs: Inputs[Any], column: np.ndarray) -> None:
    """Mark the fitted time constant of each mechanism, if its rise could be fitted."""
    curves = inputs.curves("FB", rl_stage(inputs.hardest))
    if curves is None:
        return
    scales = measure_time_scales(curves)
    for panel, time in zip(column, (scales.selection, scales.improvement), strict=True):
        if not np.isfinite(time.value):
            continue
        text = f"τ = {time.value:.0f} steps"
        if np.isfinite(time.ci_low):
            text += f" [{time.ci_low:.0f}, {time.ci_high:.0f}]"
        style.draw_mark(panel, time.value)
        on_the_left = time.value > column[0].get_xlim()[1] / 4
        side, offset = ("right", -4) if on_the_left else ("left", 4)
        style.write(panel, text, (time.value, 0), (offset, 0), ha=side, va="bottom")
