"""Learning curves from training rollouts, and the time constants of selection and improvement.

Selection is the rise of the share of the fitting strategy during RL: direct computation, without
guesses, in the direction that fits the problem's type (forward for evaluation, backward for
inversion; see task.label). Improvement is the rise of the accuracy of the responses that use the
fitting strategy.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workflow_scripts.evaluate.statistics import (
    Design,
    Estimate,
    Scale,
    Statistic,
    interval,
    mean_over_seeds,
    ratio,
    ratio_over_seeds,
)
from workflow_scripts.settings.statistics import Statistics
from workflow_scripts.task.problems import PROBLEM_TYPES

TRAINING_COLUMNS = [
    "model",
    "stage",
    "condition",
    "seed",
    "family",
    "step",
    "type",
    "fits",
    "n",
    "correct",
]

WINDOW = 10  # RL steps in a moving mean
RISE = 0.9  # the part of a rise that figures mark
TIME_TO_RISE = -np.log(1 - RISE)  # how many time constants an exponential rise takes to that part

END = 20  # the last RL steps of a run, whose mean risen_at takes for the end of a rise

FEWEST_STEPS = 30  # RL steps: shorter runs get no time constant
SHORTEST = 0.5  # RL steps: the smallest time constant that is tried
# A curve rises if the exponential fits it better than a constant by this F statistic. Noise alone
# exceeds 7 in one of 1000 curves.
CLEAR = 10.0


@dataclass(frozen=True)
class Curve:
    """A share of training rollouts by RL step, as counts. Both arrays have shape (seeds, steps)."""

    numerator: np.ndarray
    denominator: np.ndarray

    @property
    def sums(self) -> "Curve":
        """Sums over each step and the WINDOW - 1 steps before it; fewer at the first steps."""
        return Curve(_trailing_sum(self.numerator), _trailing_sum(self.denominator))

    @property
    def moving_means(self) -> np.ndarray:
        """The moving mean of each seed, of shape (seeds, steps)."""
        sums = self.sums
        return ratio(sums.numerator, sums.denominator)


def _trailing_sum(values: np.ndarray) -> np.ndarray:
    sums = np.cumsum(values, axis=-1)
    sums[..., WINDOW:] -= sums[..., :-WINDOW].copy()
    return sums


@dataclass(frozen=True)
class Curves:
    """Counts of training rollouts by RL step, of runs that differ only in their seed.

    rollouts has shape (seeds, steps, 2, 2). The last two axes are: whether the response fits the
    problem's type (0 or 1), and whether the answer is correct (0 or 1).
    """

    steps: np.ndarray
    rollouts: np.ndarray
    design: Design
    confidence: float

    @property
    def n_seeds(self) -> int:
        """The number of runs."""
        return len(self.rollouts)

    @property
    def n_rollouts(self) -> int:
        """The number of rollouts, over all runs and steps."""
        return int(self.rollouts.sum())

    @property
    def fitting(self) -> Curve:
        """The share of responses that use the fitting strategy."""
        return Curve(self.rollouts[:, :, 1].sum(axis=-1), self.rollouts.sum(axis=(-1, -2)))

    @property
    def accuracy(self) -> Curve:
        """The share of correct rollouts."""
        return Curve(self.rollouts[..., 1].sum(axis=-1), self.rollouts.sum(axis=(-1, -2)))

    @property
    def accuracy_given_fitting(self) -> Curve:
        """The share of correct rollouts among those with the fitting strategy."""
        return Curve(self.rollouts[:, :, 1, 1], self.rollouts[:, :, 1].sum(axis=-1))

    def band(self, curve: Curve) -> np.ndarray:
        """The moving mean over all seeds, and its t interval over seeds at each step.

        Returns shape (3, steps): value, low, high. There is no interval for one seed. Where all
        rollouts count or none does, each rollout is one trial (see evaluate.statistics.interval).
        """
        sums = curve.sums
        counts = sums.numerator, sums.denominator
        statistic = ratio_over_seeds(*counts, self.design, self.n_rollouts)
        return interval(statistic, Scale.LOGIT, self.confidence)

    def mean(self, values: np.ndarray) -> Statistic:
        """The mean over seeds of one value, or one row of values, per seed."""
        return mean_over_seeds(values, self.design, self.n_rollouts // self.n_seeds)


def make_curves(training: pd.DataFrame, statistics: Statistics, **where: object) -> Curves | None:
    """Count the training rollouts of RL on evaluation and inversion problems.

    where selects the rows whose columns have the given values; the selected runs must differ only
    in their seed. Returns None if no row is left.
    """
    runs = training[training["type"].isin(PROBLEM_TYPES)]
    for column, value in where.items():
        runs = runs[runs[column] == value]
    if runs.empty:
        return None
    fits = runs["fits"].astype(int)
    right = runs.assign(fits=fits, count=runs["correct"], right=1)
    wrong = runs.assign(fits=fits, count=runs["n"] - runs["correct"], right=0)
    seeds, steps = sorted(runs["seed"].unique().tolist()), np.array(sorted(runs["step"].unique()))
    cells = pd.MultiIndex.from_product([seeds, steps, (0, 1), (0, 1)])
    counts = pd.concat([wrong, right]).groupby(["seed", "step", "fits", "right"])["count"].sum()
    flat = counts.reindex(cells, fill_value=0).to_numpy(float)
    rollouts = flat.reshape(len(seeds), len(steps), 2, 2)
    design = Design(runs["family"].iloc[0], tuple(seeds))
    return Curves(steps, rollouts, design, statistics.confidence)


# ---- time constants ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Rise:
    """Exponential rises: end + (start - end) exp(-step / time), one for each seed.

    All arrays have shape (seeds,). They are NaN for a curve that does not rise.
    """

    start: np.ndarray
    end: np.ndarray
    time: np.ndarray

    def completed(self, values: np.ndarray) -> np.ndarray:
        """The fraction of the rise that a curve has completed. values has shape (seeds, steps)."""
        return (values - self.start[:, None]) / (self.end - self.start)[:, None]


def fit_rise(steps: np.ndarray, curve: Curve) -> Rise:
    """Fit an exponential rise to the raw counts of each seed, by weighted least squares.

    The weight of a step is its number of rollouts. (A likelihood would weigh the last steps most,
    where shares are near 1. Real curves go on rising there more slowly than an exponential.) The
    time is found on a grid, from SHORTEST to the length of the run, and refined by a parabola
    through the best point and its neighbours. For a given time, start and end follow from linear
    equations. So nothing depends on starting values.

    The rise of a seed is NaN if its curve does not clearly rise (see CLEAR), if the best time is
    the length of the run, or if the run has fewer than FEWEST_STEPS steps.
    """
    if len(steps) < FEWEST_STEPS:
        nothing = np.full(len(curve.numerator), np.nan)
        return Rise(nothing, nothing, nothing)
    share = np.nan_to_num(ratio(curve.numerator, curve.denominator))
    weight = ratio(curve.denominator, curve.denominator.sum(axis=1, keepdims=True))
    logs = np.linspace(np.log(SHORTEST), np.log(len(steps)), 100)
    errors = _fit_shares(share, weight, _decay(steps, np.exp(logs)))[2]
    best = errors.argmin(axis=1)
    inner = np.clip(best, 1, len(logs) - 2)
    left, here, right = (errors[np.arange(len(errors)), inner + side] for side in (-1, 0, 1))
    shift = np.clip(ratio((left - right) / 2, left - 2 * here + right), -1, 1)
    time = np.exp(logs[inner] + np.nan_to_num(shift) * (logs[1] - logs[0]))
    start, end, error = (
        each[:, 0] for each in _fit_shares(share, weight, _decay(steps, time)[:, None])
    )
    mean = (weight * share).sum(axis=1, keepdims=True)
    constant = (weight * (share - mean) ** 2).sum(axis=1)
    clear = (constant - error) / 2 > CLEAR * error / (len(steps) - 3)
    rises = clear & (end > start) & (best < len(logs) - 1)
    return Rise(*(np.where(rises, each, np.nan) for each in (start, end, time)))


def _decay(steps: np.ndarray, times: np.ndarray) -> np.ndarray:
    """What is left of a rise at each step, of shape (times, steps)."""
    return np.exp(-(steps - steps[0]) / times[:, None])


def _fit_shares(
    share: np.ndarray, weight: np.ndarray, decay: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit end + (start - end) * decay to each curve: start, end and the mean squared error.

    share and weight have shape (curves, steps), decay (times, steps) or (curves, 1, steps). The
    results have shape (curves, times). start and end are kept within [0, 1].
    """
    share, weight = share[:, None], weight[:, None]

    def mean(values: np.ndarray) -> np.ndarray:
        return (weight * values).sum(axis=-1, keepdims=True)

    deviation = decay - mean(decay)
    slope = mean(deviation * share) / mean(deviation**2)
    end = np.clip(mean(share) - slope * mean(decay), 0, 1)
    start = np.clip(end + mean(decay * (share - end)) / mean(decay**2), 0, 1)
    error = mean((share - end - (start - end) * decay) ** 2)
    return start[..., 0], end[..., 0], error[..., 0]


@dataclass(frozen=True)
class TimeScales:
    """The time constants of selection and improvement in RL steps, and their ratio.

    They are geometric means over seeds. In these estimates, n_samples is the number of rollouts per
    seed, and the intervals are over seeds.
    """

    selection: Estimate
    improvement: Estimate
    ratio: Estimate


def time_constants(curves: Curves) -> tuple[Statistic, Statistic]:
    """The time constants of selection and of improvement in RL steps.

    Selection is the rise of the share of the fitting strategy. Improvement is the rise of the
    accuracy among responses with that strategy. A value is NaN if the curve of a seed does not
    rise.
    """
    return _geometric_means(curves, lambda steps, curve: fit_rise(steps, curve).time)


def risen_at(curves: Curves) -> tuple[Statistic, Statistic]:
    """The RL steps at which the moving means of selection and improvement have made 90 % of a rise.

    This was the estimate before time constants were fitted, and is kept for comparison. A moving
    mean delays it. It takes the mean of the last END steps for the end of the rise, which a short
    run has not reached. A value is NaN if the curve of a seed does not rise, or if there are fewer
    than FEWEST_STEPS steps.
    """
    return _geometric_means(curves, _risen_at)


def _geometric_means(
    curves: Curves, time_of: Callable[[np.ndarray, Curve], np.ndarray]
) -> tuple[Statistic, Statistic]:
    """Geometric means over seeds of a time of selection and of improvement."""
    selection, improvement = (
        curves.mean(np.log(time_of(curves.steps, curve))).exp()
        for curve in (curves.fitting, curves.accuracy_given_fitting)
    )
    return selection, improvement


def _risen_at(steps: np.ndarray, curve: Curve) -> np.ndarray:
    """The step of each seed, of shape (seeds,)."""
    means = curve.moving_means
    start = means[:, :1]
    end = ratio(curve.numerator[:, -END:].sum(axis=1), curve.denominator[:, -END:].sum(axis=1))
    rise = np.maximum(end[:, None] - start, 0)
    reached = ratio(means - start, rise) >= RISE
    known = reached.any(axis=1) & (len(steps) >= FEWEST_STEPS)
    return np.where(known, steps[reached.argmax(axis=1)], np.nan)


def measure_time_scales(curves: Curves) -> TimeScales:
    """Estimate how many RL steps selection and improvement take, and their ratio."""
    selection, improvement = time_constants(curves)
    return TimeScales(
        *(
            statistic.estimate(Scale.LOG, curves.confidence)
            for statistic in (selection, improvement, improvement / selection)
        )
    )
