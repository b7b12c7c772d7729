"""Helper functions for figures of learning curves."""

import numpy as np
from matplotlib.axes import Axes

from workflow_scripts.evaluate.curves import WINDOW, Curves
from workflow_scripts.report import style
from workflow_scripts.report.paper import SELECTION_STEPS

# For each panel: the attribute of Curves, and the label of the y axis.
MEASURES = (
    ("accuracy", style.ACCURACY),
    ("fitting", "share of the\nfitting strategy"),
)

ROOT_LABEL = "RL step (square-root scale)"
_ROOT_TICKS = (0, 10, 40, 100, 200, 400, 1000)


def measured_on(curves: list[Curves]) -> str:
    """The amount of data behind curves, for the caption."""
    return f"{WINDOW}-step moving means of {rollouts_behind(curves)}"


def rollouts_behind(curves: list[Curves]) -> str:
    """The amount of data behind curves: ``51,200 training rollouts, 8 seeds``."""
    rollouts = sum(each.n_rollouts for each in curves)
    seeds = max((each.n_seeds for each in curves), default=0)
    return f"{rollouts:,} training rollouts, {seeds} seed{'' if seeds == 1 else 's'}"


def root_scale(panel: Axes, last: int) -> None:
    """Give early RL steps, where selection happens, more room than late ones.

    The axis shows the square root of the step, from 0 to the last step.
    """
    panel.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    panel.set_xlim(0, 1.02 * last)
    ticks = [tick for tick in _ROOT_TICKS if tick <= last]
    panel.set_xticks(ticks if len(ticks) > 1 else [0, last])


def mark_selection(panel: Axes, last: int, height: float) -> None:
    """Mark within how many RL steps FB selects the fitting strategy in the paper.

    last is the last RL step, height the place of the text on the y axis.
    """
    step = SELECTION_STEPS.value
    if step > last:
        return
    style.draw_mark(panel, step)
    style.write(panel, f"{step:g}: paper", (step, height), (3, 0))
