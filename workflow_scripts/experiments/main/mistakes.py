"""What goes wrong in responses that use the fitting strategy: the kind and place of a mistake."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from workflow_scripts.evaluate.metrics import ALL_TYPES, MISTAKE_COLUMNS, Subset
from workflow_scripts.evaluate.statistics import (
    Design,
    Estimate,
    Scale,
    Statistic,
    ratio_over_seeds,
)
from workflow_scripts.report import style
from workflow_scripts.report.inputs import FITTING_TYPE, Inputs
from workflow_scripts.report.style import Drawing
from workflow_scripts.settings.values import Range
from workflow_scripts.task.problems import PROBLEM_TYPES

READING = (
    "All panels are about responses that use the fitting strategy, on the type of problems that "
    "a model's strategy fits (both types for FB). The upper row shows the first mistake of a "
    "response. The lower row asks where it happens: among responses whose earlier lines are all "
    "right, the share that goes wrong at this line, or after the last line (“end”: another line, "
    "or a wrong answer). A response that stops early counts at the line that is missing. If RL "
    "on longer problems improves the strategy, its bar and its line are lower than those of the "
    "other two stages, and the difference lies at lines beyond SFT's lengths. A bar of RL on "
    "short problems that is as low would speak against the paper: then RL would not need harder "
    "problems. Look also at arithmetic: if it is hardly ever wrong after SFT, RL mends look-up "
    "and stopping, not calculation."
)
END = "end"


def draw(inputs: Inputs[Any]) -> Drawing:
    """Draw mistakes on the hardest problems: a column per model, kinds above and places below."""
    models = inputs.models
    figure, axes = style.new_figure(4.2, 2, len(models), sharey="row")
    drawn = []
    for model, (upper, lower) in zip(models, axes.T, strict=True):
        type = FITTING_TYPE.get(model, ALL_TYPES)
        drawn += _draw_kinds(inputs, upper, model, type)
        _draw_places(inputs, lower, model, type)
        upper.set_title(f"{model} on {'both types' if type == ALL_TYPES else type}")
    axes[0, 0].set_ylabel("share of\nfitting responses")
    axes[1, 0].set_ylabel("share that\ngoes wrong here")
    for row in axes:
        top = max(1.05 * row[0].get_ylim()[1], 0.05)
        row[0].set_ylim(-0.02 * top, top)
    stages = [style.handle(s, **style.stage_style(inputs, s)) for s in inputs.stages()]
    axes[1, 0].legend(handles=stages, loc="upper left")
    handles: list[Artist] = [
        Patch(label=kind, **style.bar_style(look)) for kind, look in style.MISTAKES.items()
    ]
    style.legend_above(figure, handles, handlelength=1.6, columnspacing=1.2)
    problems = f"validation, {inputs.hardest} steps: {style.describe(drawn)}"
    return Drawing(figure, f"{problems}; below: intervals over seeds alone")


def _draw_kinds(inputs: Inputs[Any], panel: Axes, model: str, type: str) -> list[Estimate]:
    """Draw one bar per stage, stacked by the kind of mistake. The interval is of all mistakes."""
    stages, on = inputs.stages(model=model), Subset(type, inputs.hardest)
    groups = [inputs.scores.group(model, stage) for stage in stages]
    bottom = np.zeros(len(stages))
    for column, look in zip(MISTAKE_COLUMNS, style.MISTAKES.values(), strict=True):
        found = [group.estimate(f"{column}_given_fitting", on).value for group in groups]
        values, place = np.nan_to_num(found), range(len(stages))
        panel.bar(place, values, 0.6, bottom, **style.bar_style(look))
        bottom += values
    verified = [group.estimate("verified_given_fitting", on) for group in groups]
    value, low, high = 1 - style.band_of(verified)
    bars = [value - high, low - value]  # the bounds change sides
    panel.errorbar(range(len(stages)), value, yerr=bars, color="black", linestyle="none")
    panel.set_xticks(range(len(stages)), stages)
    return verified


def _draw_places(inputs: Inputs[Any], panel: Axes, model: str, type: str) -> None:
    """Draw the hazard of each line, and of the end: one line per stage."""
    lines = list(range(1, inputs.hardest.high + 1))
    counts = inputs.mistakes[inputs.mistakes["evaluation"] == "steps"]
    types = PROBLEM_TYPES if type == ALL_TYPES else (type,)
    counts = counts[(counts["model"] == model) & counts["type"].isin(types)]
    stages = inputs.stages(model=model)
    for stage, shift in zip(stages, style.dodge(len(stages), 0.3), strict=True):
        chosen = counts[(counts["stage"] == stage) & (counts["condition"] == "")]
        if chosen.empty:
            continue
        estimates = hazard(chosen, inputs.hardest).estimates(Scale.LOGIT, inputs.confidence)
        look = style.stage_style(inputs, stage)
        style.draw_estimates(panel, np.add(lines, shift), estimates[:-1], **look)
        style.draw_estimates(panel, [lines[-1] + 1.3 + shift], estimates[-1:], **look)
    panel.set_xticks([*lines, lines[-1] + 1.3], [*map(str, lines), END])
    panel.set_xlabel("worked line")


def hazard(counts: pd.DataFrame, steps: Range) -> Statistic:
    """How often each line is the first wrong one, where all lines before it are right.

    counts has the mistakes of fitting responses of runs that differ only in their seed (see
    evaluate.collect.count_mistakes), on problems of any length; those of the given steps are used.
    Returns one value for each line up to the longest solution, and one for the end: the share of
    responses with a mistake after all lines of the solution. Line i counts for problems whose
    solution has i lines. Problem types are pooled.
    """
    chosen = counts[counts["steps"].between(steps.low, steps.high)]
    seeds = sorted(counts["seed"].unique().tolist())
    wrong_line, needed = chosen["wrong_line"], chosen["steps"]
    wrong, reached = [], []
    for line in range(1, steps.high + 1):
        wrong.append((wrong_line == line) & (needed >= line))
        reached.append(((wrong_line == 0) | (wrong_line >= line)) & (needed >= line))
    wrong.append(wrong_line > needed)
    reached.append((wrong_line == 0) | (wrong_line > needed))

    def per_seed(rows: list[pd.Series]) -> np.ndarray:
        """The number of responses by seed and line, of shape (seeds, lines)."""
        sums = [chosen["n"].where(row, 0).groupby(chosen["seed"]).sum() for row in rows]
        table = pd.concat(sums, axis=1).reindex(seeds, fill_value=0)
        return table.to_numpy(float)

    design = Design(counts["family"].iloc[0], tuple(seeds))
    return ratio_over_seeds(per_seed(wrong), per_seed(reached), design, int(chosen["n"].sum()))
