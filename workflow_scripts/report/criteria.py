"""How a measured quantity is judged: a criterion bounds it by what the paper states.

A criterion is applied to the interval, never to the value alone. Those that several experiments use
stand here, the others beside what they judge. Their numbers were chosen before the reported run and
are not moved to pass.
"""

from dataclasses import dataclass
from enum import StrEnum

from workflow_scripts.report.paper import TABLE1


class Verdict(StrEnum):
    """What is said of a quantity or a claim, from the worst to the best."""

    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    REPRODUCED = "reproduced"


# The paper says "~": read as within 5 points. A change within 5 points is none.
MARGIN = 0.05


def worst(verdicts: list[Verdict]) -> Verdict:
    """The verdict of a claim, from those of its quantities."""
    return min(verdicts, key=list(Verdict).index)


@dataclass(frozen=True)
class Criterion:
    """The quantity lies above low and below high, where those are given."""

    reason: str
    low: float = float("-inf")
    high: float = float("inf")

    def judge(self, ci_low: float, ci_high: float) -> Verdict:
        """Reproduced if the interval lies wholly within the bounds, not if wholly outside.

        An interval of NaN, not measured, is inconclusive.
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


# How far the paper's FB lies above the better of its F and B.
PAPER_GAP = _table1("FB", "RL(6-9)") - max(_table1("F", "RL(6-9)"), _table1("B", "RL(6-9)"))

NEAR_PERFECT = Criterion('the paper\'s "about 95 %", read as within 5 points', low=0.95 - MARGIN)
GAP = Criterion(f"half of the paper's gap of {PAPER_GAP:.3f}", low=PAPER_GAP / 2)
GAIN = Criterion("a change within 5 points is none", low=MARGIN)
CHANCE = Criterion("at chance within 5 points", high=MARGIN)
