"""The figures, a module for each kind: functions from Inputs to a matplotlib figure."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from workflow_scripts.report import style
from workflow_scripts.report.figures.accuracy import accuracy, field13, longer, steps
from workflow_scripts.report.figures.composition import composition
from workflow_scripts.report.figures.learning import dynamics, selection, time_scales
from workflow_scripts.report.figures.pass_at_k import pass_at_k
from workflow_scripts.report.figures.robustness import robustness
from workflow_scripts.report.figures.strategies import amplification, diversity, routing
from workflow_scripts.report.inputs import Inputs

FIGURES: dict[str, Callable[[Inputs], Figure]] = {
    draw.__name__: draw
    for draw in (
        accuracy,
        amplification,
        composition,
        diversity,
        dynamics,
        field13,
        longer,
        pass_at_k,
        robustness,
        routing,
        selection,
        steps,
        time_scales,
    )
}


def writers(inputs: Inputs, name: str) -> dict[str, Callable[[Path], None]]:
    """How to write a figure, see report.products; selection-first-1 is drawn as selection is."""
    return style.writers(FIGURES[name.partition("-")[0]](inputs))
