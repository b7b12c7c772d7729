"""Tables and figures of accuracy that several experiments share: by problem type and by steps."""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.evaluate.metrics import ALL_TYPES, Subset
from workflow_scripts.evaluate.statistics import Estimate
from workflow_scripts.report import style
from workflow_scripts.report.inputs import Inputs
from workflow_scripts.report.paper import Known
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.tables import BOTH_TYPES, MIX_NOTE, TYPES, Table, table_row
from workflow_scripts.settings.values import Range, single

# Values from the paper, by (model, stage, type), to show beside the measured values.
Reference = dict[tuple[str, ...], Known]
_SHADES = ("0.92", "0.965")
_PAPER_SHIFT = 0.1  # of the paper's value from the measured one, in distances between models


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
    stacked = bool(reference)
    return Table(frame, ["model", "stage"], "type", tuple(notes), "pass1", stacked=stacked)


def draw_by_type(inputs: Inputs[Any], field_size: int, reference: Reference) -> Drawing:
    """Draw accuracy: one panel per type, one group of points per model, one point per stage."""
    models, stages = inputs.models, inputs.stages()
    figure, axes = style.new_figure(2.3, 1, len(TYPES), sharey=True)
    drawn = []
    for panel, type in zip(axes[0], TYPES, strict=True):
        for stage, offset in zip(stages, style.dodge(len(stages), 0.5), strict=True):
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
            panel.plot(x + _PAPER_SHIFT, values, **style.PAPER_MARKER, mec=look["color"])
            drawn += estimates
        style.draw_chance(panel, field_size)
        panel.set_title("all (both types equally)" if type == ALL_TYPES else type)
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
        handles.append(style.handle("the paper", **style.PAPER_MARKER, mec=style.BLACK))
    style.legend_above(figure, [*handles, style.guide_handle("chance")])
    text = f"GF({field_size}), validation, {inputs.hardest} steps: {style.describe(drawn)}"
    if reference:
        text += "; the paper's model has 1.5 B parameters, its “all” is at its own mix of types"
    return Drawing(figure, text)


def draw_by_steps(
    inputs: Inputs[Any], evaluations: tuple[str, ...], trained: dict[str, Range]
) -> Drawing:
    """Draw accuracy by number of steps: a row per type, a column per model, a line per stage.

    trained has the steps of the problems on which each stage trained; these are shaded.
    """
    models, stages = inputs.models, inputs.stages()
    width = style.PAGE if len(models) > 1 else style.COLUMN
    figure, axes = style.new_figure(
        3.9, len(BOTH_TYPES), len(models), width, sharex=True, sharey=True
    )
    drawn: list[Estimate] = []
    all_steps: set[int] = set()
    for row, type in zip(axes, BOTH_TYPES, strict=True):
        for panel, model in zip(row, models, strict=True):
            for stage, shift in zip(stages, style.dodge(len(stages), 0.3), strict=True):
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
                    style.draw_estimates(panel, np.add(steps, shift), list(estimates), **look)
                    drawn += estimates
                    all_steps.update(steps)
            style.draw_chance(panel, inputs.study.task.field_size)
            style.fraction_axis(panel)
    parts = _parts(trained)
    for panel in axes.flat:
        for index, part in enumerate(parts.values()):
            shade = _SHADES[index % len(_SHADES)]
            panel.axvspan(part.low - 0.5, part.high + 0.5, color=shade, linewidth=0, zorder=0)
        panel.set_xticks(sorted(all_steps))
    for row, type in zip(axes, BOTH_TYPES, strict=True):
        row[0].set_ylabel(f"{style.ACCURACY}\non {type}")
    for column, model in zip(axes.T, models, strict=True):
        column[0].set_title(model, pad=14)
        column[-1].set_xlabel("steps of the problem")
        for stages_there, part in parts.items():
            style.label_range(column[0], part.low, part.high, stages_there)
    handles = [style.handle(stage, **style.stage_style(inputs, stage)) for stage in stages]
    handles.append(style.guide_handle("chance"))
    style.legend_above(figure, handles, ncols=len(handles) if len(models) > 1 else 2)
    shades = "shaded: the lengths on which each stage trained, from short to long"
    return Drawing(figure, f"{shades}; each point: {style.describe(drawn)}")


def _parts(trained: dict[str, Range]) -> dict[str, Range]:
    """Divide all lengths that were trained on into parts, by the first stages that use them.

    Stages of equal ranges share a part. A range that begins within a shorter one has the rest.
    """
    names: dict[Range, list[str]] = {}
    for stage, steps in trained.items():
        names.setdefault(steps, []).append(stage)
    parts, known = {}, 0
    for steps in sorted(names, key=lambda each: (each.high, each.low)):
        if steps.high > known:
            low = max(steps.low, known + 1)
            parts[", ".join(names[steps])] = Range(low=low, high=steps.high)
            known = steps.high
    return parts
