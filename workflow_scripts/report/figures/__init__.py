"""The figures, a module for each kind: functions from Inputs to a matplotlib figure.

python -m workflow_scripts.report.figures PLAN
"""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from workflow_scripts.evaluate.storage import write_whole
from workflow_scripts.report import style
from workflow_scripts.report.figures.accuracy import accuracy, field13, longer, steps
from workflow_scripts.report.figures.composition import composition
from workflow_scripts.report.figures.learning import dynamics, selection, time_scales
from workflow_scripts.report.figures.pass_at_k import pass_at_k
from workflow_scripts.report.figures.robustness import robustness
from workflow_scripts.report.figures.strategies import amplification, diversity, routing
from workflow_scripts.report.inputs import Inputs
from workflow_scripts.settings import Settings

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


def make_figure(
    name: str, settings: Settings, files: dict[str, list[Path]], png: Path, svg: Path
) -> None:
    """Draw a figure of report.products from the files of its experiment; see Inputs.read.

    selection-first-1 is drawn as selection is.
    """
    figure = FIGURES[name.partition("-")[0]](Inputs.read(settings, **files))
    save = style.writers(figure)
    write_whole({png: save["png"], svg: save["svg"]})
