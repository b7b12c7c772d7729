"""Tables and figures of accuracy that several experiments share: by problem type and by steps."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workflow_scripts.evaluate.metrics import Subset
from workflow_scripts.evaluate.statistics import Estimate
from workflow_scripts.report import style
from workflow_scripts.report.inputs import Inputs
from workflow_scripts.report.paper import Known
from workflow_scripts.report.tables import MIX_NOTE, TYPES, Table, table_row
from workflow_scripts.settings.values import single
from workflow_scripts.task.problems import PROBLEM_TYPES

# Values from the paper, by (model, stage, type), to show beside the measured values.
Reference = dict[tuple[str, ...], Known]


def table_by_type(inputs: Inputs[Any], reference: Reference) -> Table:
    """pass@1 of each model, stage and type, on validation problems of `inputs.hardest` steps."""
    rows = []
    for model in inputs.models:
        for stage in inputs.stages(model=model):
            group = inputs.scores.group(model, stage)
            for type in TYPES:
                keys = {"model": model, "stage": stage, "type": type}
                estimate = group.estimate("pass@1", Subset(type, inputs.hardest))
                rows.append(table_row(keys, estimate, reference.get((model, stage, type))))
    frame = pd.DataFrame(rows).rename(columns={"value": "pass1"})
    notes = [f"pass@1 as a fraction, on validation problems of {inputs.hardest} steps. {MIX_NOTE}"]
    if reference:
        notes.append("The paper's all-type values are at its own mix of types.")
    return Table(frame, ["model", "stage"], "type", tuple(notes), "pass1")


def draw_by_type(inputs: Inputs[Any], field_size: int, reference: Reference) -> Figure:
    """Draw accuracy: one panel per type, one group of points per model, one point per stage."""
    models, stages = inputs.models, inputs.stages()
    figure, axes = style.new_figure(2.7, 1, len(TYPES), sharey=True)
    offsets = np.linspace(-0.22, 0.22, len(stages)) if len(stages) > 1 else [0.0]
    drawn = []
    for panel, type in zip(axes[0], TYPES, strict=True):
        for stage, offset in zip(stages, offsets, strict=True):
            present = [m for m in models if inputs.scores.find(m, stage)]
            x = np.array([models.index(model) for model in present]) + offset
            estimates = [
                inputs.scores.group(model, stage).estimate("pass@1", Subset(type, inputs.hardest))
                for model in present
            ]
            look = style.stage_style(inputs, stage) | {"linestyle": "none"}
            style.draw_estimates(panel, x, estimates, **look)
            known = [reference.get((model, stage, type)) for model in present]
            values = [each.value if each else np.nan for each in known]
            panel.plot(x + 0.08, values, **style.PAPER_MARKER, mec=look["color"])
            drawn += estimates
        panel.set_title("all (both types equally)" if type == "all" else type)
        panel.set_xticks(range(len(models)), models)
        panel.set_xlim(-0.5, len(models) - 0.5)
        panel.set_xlabel("strategies in SFT")
        style.fraction_axis(panel)
    axes[0, 0].set_ylabel(style.ACCURACY)
    handles = [
        style.handle(stage, **style.stage_style(inputs, stage) | {"linestyle": "none"})
        for stage in stages
    ]
    if reference:
        paper_look = style.PAPER_MARKER | {"mec": style.BLACK}
        handles.append(style.handle("the paper (1.5 B parameters)", **paper_look))
    style.legend_above(figure, handles)
    problems = f"GF({field_size}), validation, {inputs.hardest} steps: {style.describe(drawn)}"
    if reference:
        problems += "; the paper's “all”: at its own mix"
    style.add_footer(figure, inputs, problems)
    return figure


def draw_by_steps(inputs: Inputs[Any], evaluations: tuple[str, ...]) -> Figure:
    """Draw accuracy by number of steps: a row per type, a column per model, a line per stage."""
    models, stages, types = inputs.models, inputs.stages(), PROBLEM_TYPES
    figure, axes = style.new_figure(4.4, len(types), len(models), sharex=True, sharey=True)
    drawn: list[Estimate] = []
    all_steps: set[int] = set()
    for row, type in zip(axes, types, strict=True):
        for panel, model in zip(row, models, strict=True):
            for stage in stages:
                groups = [inputs.scores.find(model, stage, evaluation=e) for e in evaluations]
                points = [
                    (steps, group.estimate("pass@1", Subset(type, single(steps))))
                    for group in groups
                    if group is not None
                    for steps in group.values("steps")
                ]
                if points:
                    steps, estimates = zip(*points, strict=True)
                    look = style.stage_style(inputs, stage)
                    style.draw_estimates(panel, steps, list(estimates), **look)
                    drawn += estimates
                    all_steps.update(steps)
            panel.set_title(f"{model}, {type}")
            style.fraction_axis(panel)
    trained = inputs.study.data.sft_steps
    for panel in axes.flat:
        panel.axvspan(trained.low - 0.3, trained.high + 0.3, color="0.94", zorder=0)
        panel.set_xticks(sorted(all_steps))
    for panel in axes[-1]:
        panel.set_xlabel("steps of the problem")
    for panel in axes[:, 0]:
        panel.set_ylabel(style.ACCURACY)
    handles = [style.handle(stage, **style.stage_style(inputs, stage)) for stage in stages]
    handles.append(
        style.handle(f"SFT's lengths ({trained})", color="0.88", linewidth=7, linestyle="-")
    )
    style.legend_above(figure, handles)
    style.add_footer(figure, inputs, f"each point: {style.describe(drawn)}")
    return figure
