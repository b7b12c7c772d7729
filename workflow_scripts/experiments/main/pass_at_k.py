"""pass@k before and after RL (claim C5): test if the gain of RL at k = 1 shrinks at large k."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow_scripts.evaluate.metrics import EXACT_KS, Subset, verified_measure
from workflow_scripts.report import style
from workflow_scripts.report.criteria import MARGIN, Criterion
from workflow_scripts.report.inputs import OTHER_TYPE, SFT, Inputs, rl_stage
from workflow_scripts.report.quantities import Ask, Quantity, baseline_of
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.tables import BOTH_TYPES
from workflow_scripts.task.baselines import affine_shortcut, guess_and_check, guess_then_other
from workflow_scripts.task.problems import PROBLEM_TYPES

K = 128  # samples in which SFT should hold what RL concentrates on
PRESENT = Criterion("present means found in many samples, nearly always", low=1 - MARGIN)
SHRINKS = Criterion(
    "what RL concentrates on is found by SFT in many samples, so its gain shrinks", low=0
)
HELD_BY_SFT = Criterion(
    "SFT holds in many samples what RL answers in one, within 5 points", low=-MARGIN
)


READING = (
    "Panels in which a model's strategy fits, and those of FB, show how far RL moves right "
    "answers from many samples to one. If the paper is right, the lines of SFT and RL come "
    "together at large k: what RL makes likely was there before. Answers can be right by luck, "
    "so the panels of FB also show the share of problems with at least one verified response, "
    "whose every line is right (thin lines, exact). If the thin line of SFT stays below the one "
    "after RL at the largest k, the agreement of answers is partly luck, and that speaks against "
    "the claim. In the other panels the strategy does not fit, and the black lines say what "
    "needs no fitting strategy: guess and check; the same, with an answer even if no guess was "
    "right; and working in the wrong direction from the known value, which gives the same answer "
    "in every sample."
)
_TICKS = (1, 4, 16, K, EXACT_KS[-1])
_DOTS, _DASHES, _FLAT = (0, (1, 1)), (0, (4, 1.5)), (0, (6, 1.5, 1, 1.5))


def draw(inputs: Inputs[Any]) -> Drawing:
    """Draw pass@k: a row per type, a column per model, a line per stage.

    If a model's strategy does not fit the type of a panel, the panel also shows the baselines of
    task.baselines. The panels of FB also show verified@k from exact scores.
    """
    types, models, steps = BOTH_TYPES, inputs.models, inputs.hardest
    stages = inputs.stages(evaluation="pass_at_k")
    figure, axes = style.new_figure(4.4, len(types), len(models), sharex=True, sharey=True)
    drawn = []
    for row, type in zip(axes, types, strict=True):
        for panel, model in zip(row, models, strict=True):
            for stage, shift in zip(stages, style.dodge(len(stages), 0.3), strict=True):
                group = inputs.scores.find(model, stage, evaluation="pass_at_k")
                if group is None:
                    continue
                on, look = Subset(type, steps), style.stage_style(inputs, stage)
                estimates = group.estimates(group.pass_measures, on)
                x = np.array(group.ks) * 2**shift
                style.draw_band(panel, x, style.band_of(estimates), **look)
                if model == "FB":
                    _draw_verified(inputs, panel, stage, on)
                drawn += estimates
            if OTHER_TYPE.get(model) == type:
                _draw_baselines(inputs, panel)
            panel.set_title(f"{model} on {type}")
            panel.set_xscale("log", base=2)
            panel.set_xticks(_TICKS, [str(k) for k in _TICKS])
            panel.minorticks_off()
            style.draw_mark(panel, K)
            style.fraction_axis(panel)
    for panel in axes[-1]:
        panel.set_xlabel("k (samples)")
    for panel in axes[:, 0]:
        panel.set_ylabel("pass@k")
    _legends(figure, inputs, stages)
    text = (
        f"validation, {steps} steps: {style.describe(drawn)}; dotted: k = {K}, at which the claim"
    )
    return Drawing(figure, f"{text} compares RL and SFT")


def _draw_verified(inputs: Inputs[Any], panel: Axes, stage: str, on: Subset) -> None:
    """Draw FB's verified@k, up to a larger k than samples give."""
    group = inputs.scores.find("FB", stage, evaluation="exact")
    if group is None:
        return
    names = ["verified", *(verified_measure(k) for k in EXACT_KS[1:])]
    values = [group.estimate(inputs.exact(name), on).value for name in names]
    look = style.stage_style(inputs, stage) | {"marker": None, "linewidth": 0.8}
    panel.plot(EXACT_KS, values, **look)


def _draw_baselines(inputs: Inputs[Any], panel: Axes) -> None:
    """Draw what responses without the fitting strategy reach in k samples."""
    task, k = inputs.study.task, np.geomspace(1, EXACT_KS[-1], 50)
    for rate, line in ((guess_and_check, _DOTS), (guess_then_other, _DASHES)):
        rates = [
            rate(task.form, task.field_size, n_steps, task.response_words)
            for n_steps in inputs.hardest.values()
        ]
        curve = np.mean([1 - (1 - one) ** k for one in rates], axis=0)
        panel.plot(k, curve, color="black", linewidth=1, linestyle=line)
    flat = affine_shortcut(task.field_size)
    panel.plot(k[[0, -1]], [flat, flat], color="black", linewidth=1, linestyle=_FLAT)


def _legends(figure: Figure, inputs: Inputs[Any], stages: list[str]) -> None:
    black = {"color": "black", "linewidth": 1}
    stage_handles = [style.handle(each, **style.stage_style(inputs, each)) for each in stages]
    handles = [
        *stage_handles,
        style.handle("thin: verified@k of FB, exact", color="0.4", linewidth=0.8),
        style.handle("guess and check", linestyle=_DOTS, **black),
        style.handle("guess, else another value", linestyle=_DASHES, **black),
        style.handle("work in wrong direction", linestyle=_FLAT, **black),
    ]
    style.legend_above(figure, handles, ncols=4, columnspacing=1.2)


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
