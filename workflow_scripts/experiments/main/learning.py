"""Helper functions for figures of learning curves."""

from matplotlib.axes import Axes

from workflow_scripts.evaluate.curves import WINDOW, Curves
from workflow_scripts.report import style

# For each panel: the attribute of Curves, and the label of the y axis.
MEASURES = (
    ("accuracy", style.ACCURACY),
    ("fitting", "share of the fitting\nstrategy (fraction)"),
)


def measured_on(curves: list[Curves]) -> str:
    """The part of a footer that gives the amount of data behind the curves."""
    rollouts = sum(each.n_rollouts for each in curves)
    seeds = max((each.n_seeds for each in curves), default=0)
    plural = "" if seeds == 1 else "s"
    return f"{WINDOW}-step moving means of {rollouts:,} training rollouts, {seeds} seed{plural}"


def label_steps(panel: Axes) -> None:
    """Label the x axis as RL steps, with whole numbers."""
    panel.set_xlabel("RL step")
    panel.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
