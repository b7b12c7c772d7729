"""Which strategies the responses use: routing, uneven prompt mixes, uneven SFT data."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from workflow_scripts.report import style
from workflow_scripts.report.inputs import SFT, Inputs, rl_stage
from workflow_scripts.report.tables import STRATEGIES
from workflow_scripts.task.problems import PROBLEM_TYPES


def routing(inputs: Inputs) -> Figure:
    """FB: a panel per problem type, a stacked bar of strategies per stage."""
    types = PROBLEM_TYPES
    figure, axes = style.new_figure(2.6, 1, len(types), sharey=True)
    stages = [stage for stage in inputs.stages() if inputs.scores.group("FB", stage)]
    drawn = []
    for panel, type in zip(axes[0], types, strict=True):
        bottom = np.zeros(len(stages))
        for strategy in STRATEGIES:
            estimates = [
                inputs.scores.group("FB", stage).estimate(f"share_{strategy}", type, inputs.hardest)
                for stage in stages
            ]
            color, hatch = style.STRATEGIES[strategy]
            values = np.array([estimate.value for estimate in estimates])
            panel.bar(
                range(len(stages)), values, 0.6, bottom, color=color, hatch=hatch, edgecolor="white"
            )
            if strategy == "forward":
                style.draw_estimates(
                    panel, range(len(stages)), estimates, color="black", linestyle="none"
                )
            bottom += values
            drawn += estimates
        panel.set_title(f"FB on {type}")
        panel.set_xticks(range(len(stages)), stages)
        style.fraction_axis(panel)
    axes[0, 0].set_ylabel("share of responses (fraction)")
    handles = [
        Patch(facecolor=color, hatch=hatch, edgecolor="white", label=strategy)
        for strategy, (color, hatch) in style.STRATEGIES.items()
    ]
    handles.append(style.handle("interval of forward", color="black", marker="|", linestyle="none"))
    style.legend_above(figure, handles)
    problems = f"validation, {inputs.hardest} steps: {style.describe(drawn)}"
    style.add_footer(figure, inputs, problems)
    return figure


def amplification(inputs: Inputs) -> Figure:
    """Share of forward responses against the share of evaluation prompts in RL."""
    figure, ((panel, accuracy),) = style.new_figure(2.9, 1, 2)
    steps, conditions = inputs.hardest, inputs.percentages()
    shares = [float(condition) / 100 for condition in conditions]
    groups = [inputs.scores.group("FB", rl_stage(steps), condition) for condition in conditions]
    mixes = [{"evaluation": share, "inversion": 1 - share} for share in shares]
    on_mix = [
        group.estimate("share_forward", steps=steps, mix=mix)
        for group, mix in zip(groups, mixes, strict=True)
    ]
    balanced = [group.estimate("share_forward", steps=steps) for group in groups]
    panel.plot([0.4, 1], [0.4, 1], color="0.6", linewidth=0.8, label="prompts' share")
    style.draw_estimates(
        panel, shares, on_mix, **style.line_style(style.FAST), label="mixed as in RL"
    )
    style.draw_estimates(panel, shares, balanced, **style.line_style(style.SLOW), label="balanced")
    panel.set_ylabel("share of forward responses (fraction)")
    style.fraction_axis(panel)
    for type in PROBLEM_TYPES:
        estimates = [group.estimate("pass@1", type, steps) for group in groups]
        style.draw_estimates(
            accuracy, shares, estimates, **style.line_style(style.TYPES[type]), label=type
        )
    accuracy.set_ylabel(style.ACCURACY)
    style.fraction_axis(accuracy)
    figure.legend(loc="outside upper center", ncols=5, columnspacing=1.2)
    for each in (panel, accuracy):
        each.set_xticks(shares)
        each.set_xlim(0.4, 1)
        each.set_xlabel("evaluation's share of RL prompts (fraction)")
    problems = f"FB after RL({steps}), validation, {steps} steps: {style.describe(balanced)}"
    style.add_footer(figure, inputs, problems)
    return figure


def diversity(inputs: Inputs) -> Figure:
    """A panel per measure, against the share of backward solutions in SFT; a line per type."""
    conditions = inputs.percentages()
    shares = [float(condition) / 100 for condition in conditions]
    figure, axes = style.new_figure(2.9, 1, 2, sharey=True)
    stages = [SFT, rl_stage(inputs.hardest)]
    drawn = []
    for panel, (measure, label) in zip(
        axes[0],
        (
            ("pass@1", style.ACCURACY),
            ("share_fitting", "share of the fitting\nstrategy (fraction)"),
        ),
        strict=True,
    ):
        for type in PROBLEM_TYPES:
            for stage in stages:
                points = [
                    (share, group.estimate(measure, type, inputs.hardest))
                    for share, condition in zip(shares, conditions, strict=True)
                    for model in inputs.scores.unique("model", condition=condition)
                    if (group := inputs.scores.group(model, stage, condition))
                ]
                x, estimates = zip(*points, strict=True)
                color, marker, _ = style.TYPES[type]
                after = stage != SFT
                look = {"linestyle": "-"} if after else {"linestyle": ":", "mfc": "white"}
                style.draw_estimates(panel, x, list(estimates), color=color, marker=marker, **look)
                drawn += estimates
        panel.set_ylabel(label)
        panel.set_xlabel("share of backward solutions in SFT (fraction)")
        panel.set_xticks(shares)
        style.fraction_axis(panel)
        panel.yaxis.set_tick_params(labelleft=True)
    handles = [
        style.handle(
            f"{type}, {stage}",
            color=style.TYPES[type][0],
            marker=style.TYPES[type][1],
            linestyle=":" if stage == SFT else "-",
            mfc="white" if stage == SFT else None,
        )
        for type in PROBLEM_TYPES
        for stage in stages
    ]
    style.legend_above(figure, handles)
    problems = f"validation, {inputs.hardest} steps: {style.describe(drawn)}"
    style.add_footer(figure, inputs, problems)
    return figure
