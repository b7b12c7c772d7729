"""Quantities: the measured numbers by which a claim is judged."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from workflow_scripts.common.errors import StudyError
from workflow_scripts.evaluate.metrics import EVERYTHING, Group, Subset
from workflow_scripts.evaluate.statistics import Estimate
from workflow_scripts.report.criteria import Criterion, Verdict

NOT_MEASURED = Estimate(math.nan, math.nan, math.nan, 0, 0, 0)


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

    def of(self, groups: list[Group | None], statistic: Callable[..., np.ndarray]) -> Quantity:
        """Measure statistic(*groups), a function that returns a vector of shape (1 + resamples,).

        The quantity is not measured if a group is missing. Raises StudyError if the groups differ
        in their seeds or problems, because their resamples would not be paired.
        """
        present = [group for group in groups if group is not None]
        if len(present) < len(groups):
            return Quantity(self.name, self.criterion, paper=self.paper)
        designs = {(group.seeds, tuple(group.strata["n_problems"])) for group in present}
        if len(designs) > 1:
            raise StudyError(f"{self.name}: the runs do not share their seeds and problems")
        estimate = present[0].summarize(statistic(*present), self.on)
        return Quantity(self.name, self.criterion, estimate, self.paper)

    def change(
        self, after: Group | None, before: Group | None, measure: str = "pass@1"
    ) -> Quantity:
        """Measure the difference of a measure between two groups: after minus before."""

        def difference(after: Group, before: Group) -> np.ndarray:
            return after.vector(measure, self.on) - before.vector(measure, self.on)

        return self.of([after, before], difference)

    def level(
        self, group: Group | None, measure: str = "pass@1", baseline: float = 0.0
    ) -> Quantity:
        """Measure the difference between a group's measure and a fixed baseline."""
        return self.of([group], lambda group: group.vector(measure, self.on) - baseline)

    def gap(self, groups: Mapping[str, Group | None]) -> Quantity:
        """Measure FB's pass@1 minus the pass@1 of the better of F and B."""

        def above_best(both: Group, *singles: Group) -> np.ndarray:
            best = np.max([single.vector("pass@1", self.on) for single in singles], axis=0)
            return both.vector("pass@1", self.on) - best

        return self.of([groups["FB"], groups["F"], groups["B"]], above_best)
