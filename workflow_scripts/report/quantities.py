"""Quantities: the measured numbers by which a claim is judged."""

import math
from dataclasses import dataclass
from typing import Any

from workflow_scripts.evaluate.decision import p_outside, seeds_to_decide
from workflow_scripts.evaluate.metrics import (
    EVERYTHING,
    Group,
    Subset,
    scale_of,
    with_shared_seeds,
)
from workflow_scripts.evaluate.statistics import Estimate, Scale, Statistic
from workflow_scripts.report.criteria import Criterion, Verdict

MISSING = "not measured"
NOT_MEASURED = Estimate(math.nan, math.nan, math.nan, 0, 0, 0, math.nan, math.nan)


@dataclass(frozen=True)
class Quantity:
    """One number by which a claim is judged.

    A claim has one primary quantity for each of its statements, and these decide the claim. Other
    quantities support them: they have a verdict of their own, which does not count. paper is the
    paper's value of the same number, if known. baseline says what the number is compared with, such
    as chance or the value before RL. origin names the runs, the evaluation and the measure.
    estimate is NOT_MEASURED if the runs are missing. p_outside is the p value of the hypothesis
    that the criterion holds. seeds is the number of seeds that would decide, with the same
    problems, or None if seeds alone would not.
    """

    name: str
    criterion: Criterion
    primary: bool = True
    paper: float | None = None
    baseline: str = MISSING
    origin: str = MISSING
    estimate: Estimate = NOT_MEASURED
    p_outside: float = 1.0
    seeds: int | None = None

    @property
    def verdict(self) -> Verdict:
        """The criterion's verdict on the interval of the estimate."""
        return self.criterion.judge(self.estimate.ci_low, self.estimate.ci_high)

    def to_json(self) -> dict[str, Any]:
        """The quantity's entry in claims.json. NaN becomes null.

        n is the number of problems. For quantities that are not measured on problems, n is the
        number of RL rollouts or of tokens.
        """
        estimate = self.estimate
        is_open = self.verdict == Verdict.INCONCLUSIVE
        return {
            "name": self.name,
            "primary": self.primary,
            "value": _number(estimate.value),
            "ci_low": _number(estimate.ci_low),
            "ci_high": _number(estimate.ci_high),
            "n": estimate.n_problems or estimate.n_samples,
            "n_seeds": estimate.n_seeds,
            "n_samples": estimate.n_samples,
            "se_seeds": _number(estimate.se_seeds),
            "se_problems": _number(estimate.se_problems),
            "paper": self.paper,
            "baseline": self.baseline,
            "origin": self.origin,
            "rule": str(self.criterion),
            "p_outside": self.p_outside,
            "flips_at": self.criterion.flips_at(estimate.ci_low, estimate.ci_high),
            "seeds_to_decide": self.seeds if is_open else None,
            "verdict": self.verdict,
            "note": self._note if is_open or math.isnan(estimate.value) else "",
        }

    @property
    def _note(self) -> str:
        """Why there is no value or no interval, or what would decide."""
        if math.isnan(self.estimate.value):
            return "undefined on these data" if self.estimate.n_seeds else MISSING
        if math.isnan(self.estimate.ci_low):
            return "no interval"
        if self.seeds is not None:
            return f"{self.seeds} seeds would decide"
        if self.estimate.n_seeds == 1:
            return "needs more than one seed"
        return "needs more problems" if self.estimate.n_problems else "needs more seeds"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


@dataclass(frozen=True)
class Ask:
    """The definition of a quantity: its name, criterion, problems, and the paper's value.

    A group is the scores of runs that differ only in their seed (evaluate.metrics.Group). Groups
    that start from the same SFT models are compared on the seeds that all of them have. The
    quantity is not measured if a group is missing.
    """

    name: str
    criterion: Criterion
    on: Subset = EVERYTHING
    paper: float | None = None
    primary: bool = True

    def of(
        self,
        statistic: Statistic | None,
        scale: Scale,
        confidence: float,
        baseline: str,
        origin: str,
    ) -> Quantity:
        """The quantity with a measured value, or not measured if statistic is None."""
        if statistic is None:
            return self.missing()
        low, high = self.criterion.low, self.criterion.high
        return Quantity(
            self.name,
            self.criterion,
            self.primary,
            self.paper,
            baseline,
            origin,
            statistic.estimate(scale, confidence),
            p_outside(statistic, scale, low, high),
            seeds_to_decide(statistic, scale, confidence, low, high),
        )

    def missing(self) -> Quantity:
        """The quantity as not measured."""
        return Quantity(self.name, self.criterion, self.primary, self.paper)

    def level(self, group: Group | None, measure: str, baseline: str) -> Quantity:
        """A measure of a group."""
        if group is None:
            return self.missing()
        origin = f"{group.runs}, {group.evaluation}, {measure}"
        found = group.statistic(measure, self.on)
        return self.of(found, scale_of(measure), group.confidence, baseline, origin)

    def change(
        self, after: Group | None, before: Group | None, measure: str, measure_before: str = ""
    ) -> Quantity:
        """A measure of one group, less that of another group, which may be another measure."""
        if after is None or before is None:
            return self.missing()
        later, earlier = with_shared_seeds([after, before])
        of_before = measure_before or measure
        found = later.statistic(measure, self.on) - earlier.statistic(of_before, self.on)
        baseline = baseline_of(earlier, of_before, self.on)
        origin = _difference(after, before, measure)
        if measure_before:
            origin += f" less {measure_before}"
        return self.of(found, Scale.LINEAR, after.confidence, baseline, origin)

    def shrinkage(
        self, after: Group | None, before: Group | None, measure: str, other: str
    ) -> Quantity:
        """The change of a measure between two groups, less the change of another measure."""
        if after is None or before is None:
            return self.missing()
        later, earlier = with_shared_seeds([after, before])
        first, second = (
            later.statistic(each, self.on) - earlier.statistic(each, self.on)
            for each in (measure, other)
        )
        origin = f"{_difference(after, before, measure)} less {other}"
        baseline = f"0 (the same gain in {other})"
        return self.of(first - second, Scale.LINEAR, after.confidence, baseline, origin)


def _difference(after: Group, before: Group, measure: str) -> str:
    return f"{after.runs} less {before.runs}, {after.evaluation}, {measure}"


def baseline_of(group: Group | None, measure: str, on: Subset) -> str:
    """A measure of a group, as the baseline of a quantity: "FB SFT: 0.436"."""
    if group is None:
        return MISSING
    return f"{group.runs}: {float(group.statistic(measure, on).value):.3f}"
