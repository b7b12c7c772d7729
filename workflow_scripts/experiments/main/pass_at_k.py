"""pass@k before and after RL (claim C5): test if the gain of RL at k = 1 shrinks at large k."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from workflow_scripts.evaluate.metrics import EXACT_KS, Subset
from workflow_scripts.evaluate.statistics import guess_and_check_pass_at_k
from workflow_scripts.report import style
from workflow_scripts.report.criteria import MARGIN, Criterion
from workflow_scripts.report.inputs import OTHER_TYPE, SFT, Inputs, rl_stage
from workflow_scripts.report.quantities import Ask, Quantity, baseline_of
from workflow_scripts.task.problems import PROBLEM_TYPES

K = 128  # samples in which SFT should hold what RL concentrates on
PRESENT = Criterion("present means found in many samples, nearly always", low=1 - MARGIN)
SHRINKS = Criterion(
    "what RL concentrates on is found by SFT in many samples, so its gain shrinks", low=0
)
HELD_BY_SFT = Criterion(
    "SFT holds in many samples what RL answers in one, within 5 points", low=-MARGIN
)


def draw(inputs: Inputs[Any]) -> Figure:
    """Draw pass@k: a row per type, a column per model, a line per stage.

    If a model's strategy does not fit the type of a panel, the panel also shows the pass@k of guess
    and check, the strategy of trying values until one fits.
    """
    types, models, steps = PROBLEM_TYPES, inputs.models, inputs.hardest
    stages = inputs.stages(evaluation="pass_at_k")
    figure, axes = style.new_figure(4.2, len(types), len(models), sharex=True, sharey=True)
    task, drawn, ks = inputs.study.task, [], [1]
    for row, type in zip(axes, types, strict=True):
        for panel, model in zip(row, models, strict=True):
            for stage in stages:
                group = inputs.scores.find(model, stage, evaluation="pass_at_k")
                if group is None:
                    continue
                estimates = group.estimates(group.pass_measures, Subset(type, steps))
                ks = group.ks
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


def measure(inputs: Inputs[Any]) -> list[Quantity]:
    """Measure claim C5: RL concentrates on strategies that SFT has brought already.

    After SFT, one of 128 samples nearly always selects the fitting strategy. So the gain of RL
    shrinks with k. Samples count as right if every line is: among few possible answers, many
    samples find the right one by guessing.
    """
    return [*_selected(inputs), *_verified(inputs), *_answered(inputs)]


def _selected(inputs: Inputs[Any]) -> Iterator[Quantity]:
    before = inputs.scores.find("FB", SFT, evaluation="exact")
    for type in PROBLEM_TYPES:
        on = Subset(type, inputs.hardest)
        name = f"FB after SFT, {type}, {inputs.hardest} steps: selection in one of {K} samples"
        baseline = f"{baseline_of(before, inputs.exact('selection'), on)} in one sample"
        yield Ask(name, PRESENT, on).level(before, inputs.exact(f"selection@{K}"), baseline)


def _verified(inputs: Inputs[Any]) -> Iterator[Quantity]:
    stage, on = rl_stage(inputs.hardest), Subset(steps=inputs.hardest)
    after, before = (inputs.scores.find("FB", each, evaluation="exact") for each in (stage, SFT))
    verified = inputs.exact("verified")
    where = f"FB, both types, {inputs.hardest} steps"
    name = f"{where}: gain of {stage} over SFT in verified@1, less that in verified@{K}"
    yield Ask(name, SHRINKS, on).shrinkage(after, before, verified, inputs.exact(f"verified@{K}"))
    for k in (K, EXACT_KS[-1]):
        name = f"{where}: verified@{k} of SFT, less verified@1 after {stage}"
        ask = Ask(name, HELD_BY_SFT, on, primary=False)
        yield ask.change(before, after, inputs.exact(f"verified@{k}"), verified)


def _answered(inputs: Inputs[Any]) -> Iterator[Quantity]:
    """The same by answers alone, sampled."""
    stage, on = rl_stage(inputs.hardest), Subset(steps=inputs.hardest)
    after, before = (
        inputs.scores.find("FB", each, evaluation="pass_at_k") for each in (stage, SFT)
    )
    largest = after.pass_measures[-1] if after else "pass@k"
    where = f"FB, both types, {inputs.hardest} steps"
    name = f"{where}: gain of {stage} over SFT in pass@1, less that in {largest}"
    yield Ask(name, SHRINKS, on, primary=False).shrinkage(after, before, "pass@1", largest)
    name = f"{where}: {largest} of SFT, less pass@1 after {stage}"
    yield Ask(name, HELD_BY_SFT, on, primary=False).change(before, after, largest, "pass@1")
