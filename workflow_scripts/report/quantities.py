"""Quantities: the measured numbers by which a claim is judged."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from workflow_scripts.evaluate.metrics import EVERYTHING, Group, Subset, with_shared_seeds
from workflow_scripts.evaluate.statistics import Estimate, Scale, Statistic
from workflow_scripts.report.criteria import Criterion, Verdict

NOT_MEASURED = Estimate(math.nan, math.nan, math.nan, 0, 0, 0, math.nan, math.nan)


@dataclass(frozen=True)
class Quantity:
    """One number by which a claim is judged.

    estimate is NOT_MEASURED if the runs for the number are missing. paper is the paper's value of
    the same number, if known.
    """

    name: str
    criterion: Criterion
    estimate: Estimate = NOT_MEASURED
    paper: float | None = None

    @property
    def verdict(self) -> Verdict:
        """The criterion's verdict on the interval of the estimate."""
        return self.criterion.judge(self.estimate.ci_low, self.estimate.ci_high)

    def to_json(self) -> dict[str, Any]:
        """The quantity's entry in claims.json. NaN becomes null.

        n is the number of problems. For quantities that are not measured on problems, n is the
        number of RL rollouts or of tokens.
        """
        numbers = {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in asdict(self.estimate).items()
        }
        note = "" if numbers["ci_low"] is not None else "no interval"
        if numbers["value"] is None:
            note = "undefined on these data" if self.estimate.n_seeds else "not measured"
        return {
            "name": self.name,
            "value": numbers["value"],
            "ci_low": numbers["ci_low"],
            "ci_high": numbers["ci_high"],
            "n": numbers["n_problems"] or numbers["n_samples"],
            "n_seeds": numbers["n_seeds"],
            "n_samples": numbers["n_samples"],
            "se_seeds": numbers["se_seeds"],
            "se_problems": numbers["se_problems"],
            "paper": self.paper,
            "rule": str(self.criterion),
            "verdict": self.verdict,
            "note": note,
        }


@dataclass(frozen=True)
class Ask:
    """The definition of a quantity: its name, criterion, problems, and the paper's value.

    A group is the scores of runs that differ only in their seed (evaluate.metrics.Group).
    """

    name: str
    criterion: Criterion
    on: Subset = EVERYTHING
    paper: float | None = None

    def of(self, groups: list[Group | None], statistic: Callable[..., Statistic]) -> Quantity:
        """Measure statistic(*groups), a difference of measures.

        The quantity is not measured if a group is missing. Groups that start from the same SFT
        models are compared on the seeds that all of them have.
        """
        present = [group for group in groups if group is not None]
        if len(present) < len(groups):
            return self._quantity(None)
        found = statistic(*with_shared_seeds(present))
        return self._quantity(found.estimate(Scale.LINEAR, present[0].confidence))

    def change(
        self, after: Group | None, before: Group | None, measure: str = "pass@1"
    ) -> Quantity:
        """Measure the difference of a measure between two groups: after minus before."""

        def difference(after: Group, before: Group) -> Statistic:
            return after.statistic(measure, self.on) - before.statistic(measure, self.on)

        return self.of([after, before], difference)

    def level(
        self, group: Group | None, measure: str = "pass@1", baseline: float = 0.0
    ) -> Quantity:
        """Measure the difference between a group's measure and a fixed baseline."""
        if group is None:
            return self._quantity(None)
        return self._quantity(group.estimate(measure, self.on).plus(-baseline))

    def _quantity(self, estimate: Estimate | None) -> Quantity:
        return Quantity(self.name, self.criterion, estimate or NOT_MEASURED, self.paper)
