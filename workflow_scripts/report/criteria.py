"""Criteria: bounds from the paper's statements, against which measured quantities are judged.

A criterion judges the interval of a quantity, not only the value. Criteria that several experiments
use are in this module. The other criteria are defined beside the quantity that they judge. All
bounds were chosen before the reported run.
"""

from dataclasses import dataclass
from enum import StrEnum

from workflow_scripts.report.paper import TABLE1


class Verdict(StrEnum):
    """The possible verdicts on a quantity or a claim, ordered from worst to best."""

    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    REPRODUCED = "reproduced"


# As a fraction. The paper's "about" is read as within 5 percentage points. A change by at most 5
# points counts as no change.
MARGIN = 0.05


def worst(verdicts: list[Verdict]) -> Verdict:
    """The worst of several verdicts. The verdict on a claim is the worst one of its quantities."""
    return min(verdicts, key=list(Verdict).index)


@dataclass(frozen=True)
class Criterion:
    """Bounds of a quantity: above low and below high. reason says where the bounds come from."""

    reason: str
    low: float = float("-inf")
    high: float = float("inf")

    def judge(self, ci_low: float, ci_high: float) -> Verdict:
        """Judge an interval.

        REPRODUCED if the interval lies wholly within the bounds, NOT_REPRODUCED if wholly outside,
        INCONCLUSIVE if the interval overlaps a bound or is NaN.
        """
        if self.low < ci_low and ci_high < self.high:
            return Verdict.REPRODUCED
        if ci_high <= self.low or ci_low >= self.high:
            return Verdict.NOT_REPRODUCED
        return Verdict.INCONCLUSIVE

    def __str__(self) -> str:
        bounds = []
        if self.low > float("-inf"):
            bounds.append(f"above {self.low:.4g}")
        if self.high < float("inf"):
            bounds.append(f"below {self.high:.4g}")
        return f"interval {' and '.join(bounds)}: {self.reason}" if bounds else self.reason


def _table1(model: str, stage: str) -> float:
    return TABLE1[model, stage, "all"].value


# From the paper's Table 1: the accuracy of FB minus the accuracy of the better of F and B. Ours is
# not compared with the better one, since the larger of two noisy values is too large on average: FB
# has to be above each of them by half of this gap.
PAPER_GAP = _table1("FB", "RL(6-9)") - max(_table1("F", "RL(6-9)"), _table1("B", "RL(6-9)"))

NEAR_PERFECT = Criterion('the paper\'s "about 95 %", read as within 5 points', low=0.95 - MARGIN)
GAP = Criterion(f"half of the paper's smaller gap, {PAPER_GAP:.3f}", low=PAPER_GAP / 2)
GAIN = Criterion("a change within 5 points is none", low=MARGIN)
CHANCE = Criterion("at chance within 5 points", high=MARGIN)
