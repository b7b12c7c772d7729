"""The style of figures: sizes, colours, markers, line styles, the footer, and saving.

Series differ in marker and line style as well as in colour, so that figures are readable without
colour.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from workflow_scripts.evaluate.statistics import Estimate
from workflow_scripts.report.inputs import SFT, Inputs, rl_stage
from workflow_scripts.settings.values import Range

WIDTH = 6.75  # inches: the width of a page's text, at which figures are read
DPI = 200  # of PNG files
FOOTER = 0.42  # inches: the height of the footer's two lines
_FOOTER_LABEL = "footer"

matplotlib.rcParams.update(
    {
        "font.size": 8,
        "axes.titlesize": 8.5,
        "axes.labelsize": 8,
        "xtick.labelsize": 7.5,
        "ytick.labelsize": 7.5,
        "legend.fontsize": 7.5,
        "legend.frameon": False,
        "legend.handlelength": 2.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": "0.9",
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.3,
        "lines.markersize": 4,
        "errorbar.capsize": 1.5,
        "hatch.linewidth": 0.5,
        "svg.hashsalt": "figures",  # with a fixed salt, element ids are the same in every run
        "svg.fonttype": "path",
    }
)

# Okabe and Ito's palette: readers with any common form of colour blindness can tell its colours
# apart.
BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE, GREY = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#999999",
)

# (color, marker, linestyle) of each series
MODELS = {
    "F": (BLUE, "o", "-"),
    "B": (RED, "s", "--"),
    "FB": (GREEN, "D", "-."),
}
SERIES = [(RED, "s", "--"), (GREEN, "D", "-"), (BLUE, "o", "-."), (PURPLE, "^", "--")]
TYPES = {
    "all": (BLACK, "o", "-"),
    "evaluation": (BLUE, "^", "--"),
    "inversion": (ORANGE, "v", "-."),
}
# (color, hatch) of each strategy
STRATEGIES = {
    "forward": (SKY, ""),
    "backward": (ORANGE, "////"),
    "guess and check": (GREEN, r"\\\\"),
    "mixed": (PURPLE, "...."),
    "none": (GREY, "xxxx"),
}
# (color, hatch) of each kind of mistake, in the order of evaluate.metrics.MISTAKE_COLUMNS
MISTAKES = {
    "lookup": (BLUE, ""),
    "operand": (SKY, "////"),
    "arithmetic": (BLACK, ""),
    "too many lines": (ORANGE, r"\\\\"),
    "stopped early": (RED, "...."),
    "answer": (PURPLE, "xxxx"),
    "cut off": (GREY, "----"),
}
_SFT = (GREY, "o", ":")
# The styles of RL stages. The index is the position of the stage relative to the main experiment's
# hardest RL: 0 is that stage, 1 the next harder one, -1 (the last entry) the next easier one.
_RL = [(RED, "D", "-"), (PURPLE, "^", "-."), (SKY, "v", "-."), (BLUE, "s", "--")]

FAST, SLOW = (BLUE, "o", "-"), (RED, "s", "--")
ACCURACY = "accuracy (pass@1, fraction)"
PAPER_MARKER = {"marker": "*", "mfc": "none", "linestyle": "none", "markersize": 7.5, "zorder": 5}


def line_style(style: tuple[str, str, str]) -> dict[str, Any]:
    """A (color, marker, linestyle) as keyword arguments of matplotlib."""
    return dict(zip(("color", "marker", "linestyle"), style, strict=True))


def ordered_lines(n: int) -> list[dict[str, Any]]:
    """Styles of n ordered series, such as lengths: from light to dark, with other line styles."""
    colors = matplotlib.colormaps["viridis_r"](np.linspace(0.12, 1, n))
    lines = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))]
    return [{"color": c, "linestyle": lines[i % len(lines)]} for i, c in enumerate(colors)]


def stage_style(inputs: Inputs[Any], stage: str) -> dict[str, Any]:
    """The style of a stage as keyword arguments of matplotlib. It is the same in all figures."""
    if stage == SFT:
        return line_style(_SFT)
    stages = inputs.stages()
    harder = stages.index(stage) - stages.index(rl_stage(inputs.hardest))
    return line_style(_RL[harder % len(_RL)])


def new_figure(height: float, rows: int, columns: int, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of the page's width with room for a footer, and an array of shape (rows, columns).

    The array holds the axes of the panels. height is in inches.
    """
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    figure.set_layout_engine("constrained", rect=(0, FOOTER / height, 1, 1 - FOOTER / height))
    return figure, axes


def fraction_axis(axes: Axes) -> None:
    """Set the y axis to fractions from 0 to 1, with a small margin."""
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])


def draw_estimates(axes: Axes, x: ArrayLike, estimates: list[Estimate], **style: Any) -> None:
    """Draw points with their intervals as error bars."""
    value, low, high = band_of(estimates)
    axes.errorbar(x, value, yerr=[value - low, high - value], elinewidth=0.9, **style)


def dodge(n: int, width: float) -> np.ndarray:
    """Shifts of n series along the x axis, over a width, so that equal points stay visible."""
    return np.linspace(-width / 2, width / 2, n) if n > 1 else np.zeros(1)


def band_of(estimates: list[Estimate]) -> np.ndarray:
    """Values and intervals as an array of shape (3, estimates): value, low, high."""
    return np.array([(each.value, each.ci_low, each.ci_high) for each in estimates]).T


def draw_band(axes: Axes, x: ArrayLike, band: np.ndarray, **style: Any) -> None:
    """Draw a line with its interval as a band. band has shape (3, len(x)): value, low, high."""
    (line,) = axes.plot(x, band[0], **style)
    axes.fill_between(x, band[1], band[2], color=line.get_color(), alpha=0.18, linewidth=0)


def legend_above(figure: Figure, handles: Sequence[Artist], **options: Any) -> None:
    """Draw one legend for all panels above the panels, so that the legend covers no data."""
    look = {"ncols": len(handles), **options}
    figure.legend(handles=handles, loc="outside upper center", **look)


def length_name(steps: Range) -> str:
    """A number or a range of steps: ``6 steps``, ``2-5 steps``."""
    return f"{steps.low if steps.low == steps.high else steps} steps"


def handle(label: str, **style: Any) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], label=label, **style)


def describe(estimates: list[Estimate]) -> str:
    """The amount of data behind estimates, as text: ``512 problems × 16 samples × 1–3 seeds``."""
    parts = []
    for attribute, noun in (
        ("n_problems", "problem"),
        ("n_samples", "sample"),
        ("n_seeds", "seed"),
    ):
        numbers = {getattr(estimate, attribute) for estimate in estimates}
        low, high = min(numbers), max(numbers)
        span = f"{low}" if low == high else f"{low}–{high}"
        parts.append(f"{span} {noun}" + ("" if high == 1 else "s"))
    return " × ".join(parts)


def describe_exact(estimates: list[Estimate], steps: Range) -> str:
    """The problems and seeds behind estimates of exact measures, as text."""
    text = describe(estimates).replace(" × 0 samples", "")
    return f"validation, {steps} steps, exact, without samples: {text}"


def add_footer(figure: Figure, inputs: Inputs[Any], measured_on: str) -> None:
    """Write the tier, the kind of intervals and the amount of data below the panels."""
    text = f"{inputs.note}  ·  {inputs.interval_note}\n{measured_on}"
    color = RED if inputs.study.tier == "smoke" else "0.3"
    place = 0.5, 0.06 / figure.get_figheight()
    figure.text(*place, text, ha="center", size=7.5, color=color, label=_FOOTER_LABEL)


def caption_page(figure: Figure, caption: str, reading: str) -> str:
    """The Markdown page of a figure: its caption, how to read it, and the text of its footer."""
    footers = [t.get_text() for t in figure.texts if t.get_label() == _FOOTER_LABEL]
    lines = [line for footer in footers for line in footer.splitlines()]
    return "\n\n".join(filter(None, [f"# {caption}", reading, *lines])) + "\n"


def writers(figure: Figure) -> dict[str, Callable[[Path], None]]:
    """Functions that save the figure as PNG and as SVG, with the same bytes every time."""
    return {
        "png": partial(figure.savefig, format="png", dpi=DPI, metadata={"Software": None}),
        "svg": partial(figure.savefig, format="svg", metadata={"Date": None}),
    }
