"""A small SVG plot of a quantity: its interval against the bounds of its rule.

The plot stands inside an HTML page. Its elements have classes and no colours: the page's style
gives them colours, for a light and for a dark background.
"""

import math
import re
from dataclasses import dataclass

WIDTH, HEIGHT = 240, 46  # pixels
_MARGIN = 40  # pixels on both sides, which hold the labels of the bounds
_BOTTOM, _MIDDLE, _TOP = 30.0, 16.0, 2.0  # pixels from the top: of the rule's zone, and our value
_CAP = 5.0  # pixels: half the height of an interval's ends


@dataclass(frozen=True)
class Shown:
    """The numbers of a plot. A missing number is NaN, a bound that is not there is infinite."""

    value: float
    ci_low: float
    ci_high: float
    low: float = -math.inf
    high: float = math.inf
    paper: float = math.nan

    @property
    def numbers(self) -> list[float]:
        """All numbers that there are."""
        everything = (self.value, self.ci_low, self.ci_high, self.low, self.high, self.paper)
        return [number for number in everything if math.isfinite(number)]

    @property
    def bounds(self) -> list[float]:
        """The bounds that there are."""
        return [bound for bound in (self.low, self.high) if math.isfinite(bound)]


_RULE = re.compile(r"interval (?:above (\S+))?(?: and )?(?:below (\S+))?: ")


def bounds_of(rule: str) -> tuple[float, float]:
    """The bounds in the text of a criterion (report.criteria), infinite where there is none."""
    found = _RULE.match(rule)
    low, high = found.groups() if found else (None, None)
    return (-math.inf if low is None else float(low), math.inf if high is None else float(high))


def interval_plot(shown: Shown) -> str:
    """The plot as SVG text. Empty if there is no value.

    The shaded zone is what the rule allows. The dot with the line is our value with its interval,
    the diamond is the paper's value. The labels below are the bounds.
    """
    if math.isnan(shown.value):
        return ""
    x = _Axis.of(shown.numbers)
    parts = [
        *_zone(shown, x),
        *_interval(shown, x),
        f'<circle class="ours" cx="{x(shown.value)}" cy="{_MIDDLE}" r="4"/>',
        *_paper(shown, x),
    ]
    return (
        f'<svg class="interval" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{describe(shown)}">{"".join(parts)}</svg>'
    )


def describe(shown: Shown) -> str:
    """The plot in words, for readers who do not see it."""
    text = f"Ours {shown.value:.4g}"
    if math.isfinite(shown.ci_low):
        text += f", interval {shown.ci_low:.4g} to {shown.ci_high:.4g}"
    words = [
        f"{word} {bound:.4g}"
        for word, bound in (("above", shown.low), ("below", shown.high))
        if math.isfinite(bound)
    ]
    text += f"; rule: {' and '.join(words)}" if words else "; no rule"
    return text + ("" if math.isnan(shown.paper) else f"; the paper {shown.paper:.4g}")


@dataclass(frozen=True)
class _Axis:
    """Maps numbers to pixels from the left."""

    start: float
    span: float

    @classmethod
    def of(cls, numbers: list[float]) -> "_Axis":
        start, span = min(numbers), max(numbers) - min(numbers)
        if span == 0:  # one number: in the middle
            span = max(abs(start), 1.0)
            start -= span / 2
        return cls(start, span)

    def __call__(self, number: float) -> float:
        place = (number - self.start) / self.span
        return round(_MARGIN + place * (WIDTH - 2 * _MARGIN), 1)


def _zone(shown: Shown, x: _Axis) -> list[str]:
    """What the rule allows, and the labelled bounds. A zone without a bound ends at the edge."""
    if not shown.bounds:
        return []
    left = x(shown.low) if math.isfinite(shown.low) else 0.0
    right = x(shown.high) if math.isfinite(shown.high) else float(WIDTH)
    parts = [
        f'<rect class="allowed" x="{left}" y="{_TOP}" width="{round(right - left, 1)}" '
        f'height="{_BOTTOM - _TOP}"/>'
    ]
    anchors = ("end", "start") if len(shown.bounds) == 2 else ("middle",)
    for bound, anchor in zip(shown.bounds, anchors, strict=True):
        place = x(bound)
        parts += [
            f'<line class="bound" x1="{place}" x2="{place}" y1="{_TOP}" y2="{_BOTTOM}"/>',
            f'<text class="tick" x="{place}" y="{HEIGHT - 4}" text-anchor="{anchor}">'
            f"{bound:.4g}</text>",
        ]
    return parts


def _interval(shown: Shown, x: _Axis) -> list[str]:
    if math.isnan(shown.ci_low):
        return []
    low, high = x(shown.ci_low), x(shown.ci_high)
    path = f"M{low} {_MIDDLE}H{high}" + "".join(
        f"M{end} {_MIDDLE - _CAP}v{2 * _CAP}" for end in (low, high)
    )
    return [f'<path class="range" d="{path}"/>']


def _paper(shown: Shown, x: _Axis) -> list[str]:
    if math.isnan(shown.paper):
        return []
    path = f"M{x(shown.paper)} {_MIDDLE - 6}l6 6l-6 6l-6 -6z"
    return [f'<path class="paper" d="{path}"/>']
