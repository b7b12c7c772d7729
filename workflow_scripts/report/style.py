"""The style of figures: sizes, colours, markers, line styles, captions, and saving.

A figure is drawn at the width at which it is read, with type of 7.5 or 8 points: as wide as a
column, or as a page. Series differ in marker and line style as well as in colour, so that figures
are readable in grey. What a figure is drawn from stands in its caption, not in the picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from workflow_scripts.task.baselines import chance

COLUMN, PAGE = 3.25, 6.75  # inches: the widths of a column and of a page's text
DPI = 200  # of PNG files
SMALL, NORMAL = 7.5, 8  # points: the sizes of type

matplotlib.rcParams.update(
    {
        "font.size": NORMAL,
        "axes.titlesize": NORMAL,
        "axes.labelsize": NORMAL,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "legend.fontsize": SMALL,
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
BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE, GREY, DARK = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#999999",
    "#595959",
)

# (color, marker, linestyle) of each series
MODELS = {
    "F": (BLUE, "o", "-"),
    "B": (RED, "s", "--"),
    "FB": (GREEN, "D", "-."),
}
SERIES = [(RED, "s", "--"), (GREEN, "D", "-"), (BLUE, "o", "-."), (PURPLE, "^", "--")]
TYPES = {
    "inversion": (ORANGE, "v", "-"),
    "evaluation": (BLUE, "^", "--"),
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
_SFT = (DARK, "o", ":")
# The styles of RL stages. The index is the position of the stage relative to the main experiment's
# hardest RL: 0 is that stage, 1 the next harder one, -1 (the last entry) the next easier one.
_RL = [(RED, "D", "-"), (PURPLE, "^", "-."), (SKY, "v", "-."), (BLUE, "s", "--")]

FAST, SLOW = (BLUE, "o", "-"), (RED, "s", "--")
ACCURACY = "accuracy (pass@1)"
PAPER_MARKER: dict[str, Any] = {
    "marker": "*",
    "mfc": "white",
    "mew": 0.9,
    "linestyle": "none",
    "markersize": 8,
    "zorder": 5,
}
GUIDE: dict[str, Any] = {"color": "0.45", "linewidth": 0.8, "linestyle": (0, (1, 1.5)), "zorder": 1}


def line_style(style: tuple[str, str, str]) -> dict[str, Any]:
    """A (color, marker, linestyle) as keyword arguments of matplotlib."""
    return dict(zip(("color", "marker", "linestyle"), style, strict=True))


def bar_style(style: tuple[str, str]) -> dict[str, Any]:
    """A (color, hatch) as keyword arguments of bars and of their entries in a legend.

    Bars have no edges, which would hide narrow ones. The hatch is white.
    """
    return {"facecolor": style[0], "hatch": style[1], "edgecolor": "white", "linewidth": 0}


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


@dataclass(frozen=True)
class Drawing:
    """A figure, and a line that says what it is drawn from, for the caption."""

    figure: Figure
    drawn_from: str


def new_figure(
    height: float, rows: int, columns: int, width: float = PAGE, **options: Any
) -> tuple[Figure, np.ndarray]:
    """A figure, and an array of shape (rows, columns) with the axes of its panels.

    height and width are in inches. width is COLUMN or PAGE: that at which the figure is read.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def fraction_axis(axes: Axes) -> None:
    """Set the y axis to fractions from 0 to 1, with a small margin.

    Markers at the ends of the axis may reach over the margin.
    """
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    for line in axes.lines:
        if line.get_marker() not in ("None", "none", "", None):
            line.set_clip_on(False)


def draw_chance(axes: Axes, field_size: int) -> None:
    """Draw the accuracy of a blind guess as a dotted line."""
    axes.axhline(chance(field_size), **GUIDE)


def guide_handle(label: str) -> Line2D:
    """The entry of a legend for dotted lines: chance, and marks on an axis."""
    return handle(label, **GUIDE)


def draw_mark(axes: Axes, x: float) -> None:
    """Draw a dotted vertical line."""
    axes.axvline(x, **GUIDE)


def draw_level(axes: Axes, y: float) -> None:
    """Draw a dotted horizontal line."""
    axes.axhline(y, **GUIDE)


def write(
    axes: Axes,
    text: str,
    place: tuple[float, float],
    offset: tuple[float, float] = (0, 0),
    **look: Any,
) -> None:
    """Write a text into a panel, which takes no room from the panels. offset is in points."""
    look = {"va": "center", "size": SMALL, "in_layout": False, **look}
    axes.annotate(text, place, offset, textcoords="offset points", **look)


def label_range(axes: Axes, low: float, high: float, text: str) -> None:
    """Write a text above the panel, centred over a part of the x axis."""
    above = axes.get_xaxis_transform()
    write(
        axes, text, ((low + high) / 2, 1), ha="center", va="bottom", xycoords=above, in_layout=True
    )


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


def mark_smoke(figure: Figure, inputs: Inputs[Any]) -> None:
    """Write across a figure of the smoke tier that it means nothing. Others stay as they are."""
    if inputs.study.tier == "smoke":
        look: dict[str, Any] = {
            "rotation": 25,
            "size": 13,
            "color": RED,
            "alpha": 0.35,
            "in_layout": False,
        }
        figure.text(0.5, 0.5, inputs.note, ha="center", va="center", **look)


def caption_page(drawing: Drawing, caption: str, reading: str, inputs: Inputs[Any]) -> str:
    """The Markdown page of a figure.

    It has the caption, how to read the figure, the tier, the kind of intervals and the width, and
    what the figure is drawn from.
    """
    width = drawing.figure.get_figwidth()
    drawn_for = f"drawn for a {'column' if width == COLUMN else 'page'} of {width:g} in"
    notes = "  ·  ".join((inputs.note, inputs.interval_note, drawn_for))
    parts = [f"# {caption}", reading, notes, drawing.drawn_from]
    return "\n\n".join(filter(None, parts)) + "\n"


def writers(figure: Figure) -> dict[str, Callable[[Path], None]]:
    """Functions that save the figure as PNG and as SVG, with the same bytes every time."""
    return {
        "png": partial(figure.savefig, format="png", dpi=DPI, metadata={"Software": None}),
        "svg": partial(figure.savefig, format="svg", metadata={"Date": None}),
    }
