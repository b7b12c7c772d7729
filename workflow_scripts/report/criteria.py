"""Criteria: bounds from the paper's statements, against which measured quantities are judged.

A criterion judges the interval of a quantity, not only the value. Criteria that several experiments
use are in this module. The other criteria are defined beside the quantity that they judge. All
bounds were chosen before the reported run.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from workflow_scripts.report.paper import TABLE1


class Verdict(StrEnum):
    """The possible verdicts on a quantity. A claim has one of the first three."""

    REPRODUCED = "reproduced"
    INCONCLUSIVE = "inconclusive"
    NOT_REPRODUCED = "not reproduced"
    CONTEXT = "context"


# As a fraction. The paper's "about" is read as within 5 percentage points. A change by at most 5
# points counts as no change.
MARGIN = 0.05


@dataclass(frozen=True)
class Criterion:
    """Bounds of a quantity: above low and below high. reason says where the bounds come from.

    A criterion without bounds is for numbers that are shown as context and not judged.
    """

    reason: str
    low: float = -math.inf
    high: float = math.inf

    @property
    def bounds(self) -> list[float]:
        """The bounds that there are."""
        return [bound for bound in (self.low, self.high) if math.isfinite(bound)]

    def judge(self, ci_low: float, ci_high: float) -> Verdict:
        """Judge an interval.

        REPRODUCED if the interval lies wholly within the bounds, NOT_REPRODUCED if wholly outside,
        INCONCLUSIVE if the interval overlaps a bound or is NaN. CONTEXT if there are no bounds.
        """
        if not self.bounds:
            return Verdict.CONTEXT
        if self.low < ci_low and ci_high < self.high:
            return Verdict.REPRODUCED
        if ci_high <= self.low or ci_low >= self.high:
            return Verdict.NOT_REPRODUCED
        return Verdict.INCONCLUSIVE

    def flips_at(self, ci_low: float, ci_high: float) -> float | None:
        """The value of a bound at which the verdict on an interval would change.

        It is the end of the interval that is nearest to a bound. If the interval contains a bound,
        that bound is meant. None if it contains both, so that no other value of one bound would
        change the verdict, if there are no bounds, or if the interval is NaN.
        """
        inside = [bound for bound in self.bounds if ci_low < bound < ci_high]
        if math.isnan(ci_low) or not self.bounds or len(inside) > 1:
            return None
        ends = [(abs(end - b), end) for b in inside or self.bounds for end in (ci_low, ci_high)]
        return min(ends)[1]

    def __str__(self) -> str:
        bounds = []
        if self.low > -math.inf:
            bounds.append(f"above {self.low:.4g}")
        if self.high < math.inf:
            bounds.append(f"below {self.high:.4g}")
        return f"interval {' and '.join(bounds)}: {self.reason}" if bounds else self.reason


def _balanced(model: str) -> float:
    """The paper's accuracy after RL(6-9), with equal weight of both types."""
    types = ("inversion", "evaluation")
    return sum(TABLE1[model, "RL(6-9)", type].value for type in types) / 2


# From the paper's Table 1: the accuracy of FB less that of F and of B, each the mean of both types.
# The paper's own means have another mix of types.
PAPER_GAPS = {model: round(_balanced("FB") - _balanced(model), 4) for model in ("F", "B")}
GAPS = {
    model: Criterion(f"half of the paper's gap, {gap:.4g} with both types equal", low=gap / 2)
    for model, gap in PAPER_GAPS.items()
}

NEAR_PERFECT = Criterion('the paper\'s "about 95 %", read as within 5 points', low=0.95 - MARGIN)
GAIN = Criterion("a change within 5 points is none", low=MARGIN)
RISES = Criterion("the statement is that it rises", low=0.0)
NO_GAIN = Criterion("a change within 5 points is none", high=MARGIN)
NO_LOSS = Criterion("a loss within 5 points is none", low=-MARGIN)
NO_CHANGE = Criterion("a change within 5 points is none", low=-MARGIN, high=MARGIN)
NOT_ACQUIRED = Criterion("none of its responses do so, within 5 points", high=MARGIN)
