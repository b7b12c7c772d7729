"""pass@k: what RL gains at k = 1, and how much of it SFT already holds at large k."""

import numpy as np
from matplotlib.figure import Figure

from workflow_scripts.evaluate.statistics import guess_and_check_pass_at_k
from workflow_scripts.report import style
from workflow_scripts.report.inputs import OTHER_TYPE, Inputs
from workflow_scripts.task.problems import PROBLEM_TYPES


def pass_at_k(inputs: Inputs) -> Figure:
    """A row per type, a column per model, a line per stage; the baseline where no strategy fits."""
    types, models, steps = PROBLEM_TYPES, inputs.models, inputs.hardest
    stages = inputs.stages(evaluation="pass_at_k")
    figure, axes = style.new_figure(4.2, len(types), len(models), sharex=True, sharey=True)
    task, drawn, ks = inputs.settings.task, [], [1]
    for row, type in zip(axes, types, strict=True):
        for panel, model in zip(row, models, strict=True):
            for stage in stages:
                group = inputs.scores.group(model, stage, evaluation="pass_at_k")
                if group is None:
                    continue
                estimates = group.estimates(group.pass_measures, type, steps)
                ks = [int(measure.removeprefix("pass@")) for measure in group.pass_measures]
                look = style.stage_style(inputs, stage)
                style.draw_band(panel, ks, style.band_of(estimates), **look)
                drawn += estimates
            if OTHER_TYPE.get(model) == type:
                k = np.geomspace(1, max(ks), 50)
                baseline = guess_and_check_pass_at_k(
                    task.form, task.field_size, steps.values(), task.response_words, k
                )
                panel.plot(k, baseline, color="black", linewidth=1, linestyle=(0, (1, 1)))
            panel.set_title(f"{model} on {type}")
            panel.set_xscale("log", base=2)
            panel.set_xticks(ks[:: 1 if len(ks) < 5 else 2])
            panel.xaxis.set_major_formatter("{x:.0f}")
            panel.minorticks_off()
            style.fraction_axis(panel)
    for panel in axes[-1]:
        panel.set_xlabel("k (samples)")
    for panel in axes[:, 0]:
        panel.set_ylabel("pass@k (fraction)")
    handles = [style.handle(stage, **style.stage_style(inputs, stage)) for stage in stages]
    handles.append(
        style.handle("guess and check (derived)", color="black", linewidth=1, linestyle=(0, (1, 1)))
    )
    style.legend_above(figure, handles)
    style.add_footer(figure, inputs, f"validation, {steps} steps: {style.describe(drawn)}")
    return figure
