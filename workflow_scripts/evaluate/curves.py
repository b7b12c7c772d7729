"""Learning curves from training rollouts, and the time scales of selection and improvement.

Selection is the rise of the share of the fitting strategy during RL: direct computation, without
guesses, in the direction that fits the problem's type (forward for evaluation, backward for
inversion; see task.label). Improvement is the rise of the accuracy of the responses that use the
fitting strategy.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from workflow_scripts.evaluate.statistics import Estimate, interval, ratio, seed_weights
from workflow_scripts.settings.statistics import Statistics
from workflow_scripts.task.problems import PROBLEM_TYPES

TRAINING_COLUMNS = [
    "model",
    "stage",
    "condition",
    "seed",
    "step",
    "type",
    "fits",
    "n",
    "correct",
]

WINDOW = 10  # RL steps in a moving mean
END = 20  # RL steps: the final value of a curve is its mean over the last 20 steps
RISE = 0.9  # a rise counts as completed at 90 % of the way from the first to the final value


@dataclass(frozen=True)
class Curves:
    """Counts of training rollouts by RL step, of runs that differ only in their seed.

    rollouts has shape (1 + resamples, steps, 2, 2). Row 0 has the observed counts; the other rows
    are bootstrap resamples (see make_curves). The last two axes are: whether the response fits the
    problem's type (0 or 1), and whether the answer is correct (0 or 1). by_seed, of shape (seeds,
    steps, 2, 2), has the observed counts of each seed.
    """

    steps: np.ndarray
    rollouts: np.ndarray
    by_seed: np.ndarray
    confidence: float

    @property
    def n_seeds(self) -> int:
        """The number of runs."""
        return len(self.by_seed)

    @property
    def single_seeds(self) -> "Curves":
        """The same curves, with one row per seed in place of all observed counts and resamples."""
        return replace(self, rollouts=self.by_seed)

    @property
    def n_rollouts(self) -> int:
        """The number of observed rollouts, over all runs and steps."""
        return int(self.rollouts[0].sum())

    @property
    def fitting(self) -> tuple[np.ndarray, np.ndarray]:
        """The share of responses that use the fitting strategy, as (numerator, denominator).

        Both arrays have shape (1 + resamples, steps).
        """
        return self.rollouts[:, :, 1].sum(axis=-1), self.rollouts.sum(axis=(-1, -2))

    @property
    def accuracy(self) -> tuple[np.ndarray, np.ndarray]:
        """The share of correct rollouts, as (numerator, denominator) like `fitting`."""
        return self.rollouts[..., 1].sum(axis=-1), self.rollouts.sum(axis=(-1, -2))

    @property
    def accuracy_given_fitting(self) -> tuple[np.ndarray, np.ndarray]:
        """The share of correct rollouts among those with the fitting strategy, like `fitting`."""
        return self.rollouts[:, :, 1, 1], self.rollouts[:, :, 1].sum(axis=-1)

    def band(self, curve: np.ndarray) -> np.ndarray:
        """The value and the interval of a curve at each step.

        curve has shape (1 + resamples, steps). Returns shape (3, steps): value, low, high.
        """
        return np.array([interval(column, self.confidence) for column in curve.T]).T


def make_curves(training: pd.DataFrame, statistics: Statistics, **where: object) -> Curves | None:
    """Count the training rollouts of RL on evaluation and inversion problems.

    where selects the rows whose columns have the given values; the selected runs must differ only
    in their seed. Returns None if no row is left. The bootstrap resamples seeds. If there is only
    one seed, the bootstrap resamples the rollouts of each step instead.
    """
    runs = training[training["type"].isin(PROBLEM_TYPES)]
    for column, value in where.items():
        runs = runs[runs[column] == value]
    if runs.empty:
        return None
    fits = runs["fits"].astype(int)
    right = runs.assign(fits=fits, count=runs["correct"], right=1)
    wrong = runs.assign(fits=fits, count=runs["n"] - runs["correct"], right=0)
    seeds, steps = sorted(runs["seed"].unique()), np.array(sorted(runs["step"].unique()))
    cells = pd.MultiIndex.from_product([seeds, steps, (0, 1), (0, 1)])
    counts = pd.concat([wrong, right]).groupby(["seed", "step", "fits", "right"])["count"].sum()
    by_seed = counts.reindex(cells, fill_value=0).to_numpy().reshape(len(seeds), len(steps), 2, 2)
    n_resamples = statistics.bootstrap_resamples
    if len(seeds) > 1:
        weights = seed_weights(len(seeds), n_resamples, statistics.seed)
        rollouts = np.tensordot(weights, by_seed, axes=1)
    else:
        flat = by_seed.reshape(len(steps), 4)
        n = flat.sum(axis=1)
        drawn = np.random.default_rng(statistics.seed).multinomial(
            n, flat / n[:, None], size=(n_resamples, len(steps))
        )
        rollouts = np.concatenate([by_seed, drawn.reshape(n_resamples, len(steps), 2, 2)])
    rollouts, by_seed = rollouts.astype(float), by_seed.astype(float)
    return Curves(steps, rollouts, by_seed, statistics.confidence)


def moving_mean(numerator: np.ndarray, denominator: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """Ratio of sums over each step and the window - 1 steps before it, along the last axis.

    At the first steps, the window has only the steps that exist.
    """
    return ratio(_trailing_sum(numerator, window), _trailing_sum(denominator, window))


def _trailing_sum(values: np.ndarray, window: int) -> np.ndarray:
    sums = np.cumsum(values, axis=-1)
    sums[..., window:] -= sums[..., :-window].copy()
    return sums


def fraction_of_rise(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The fraction of its rise that a curve has completed by each step, of shape (curves, steps).

    A curve is a 10-step moving mean. The fraction is 0 at the first step, and 1 where the curve
    equals the mean of the last 20 steps. Curves whose final value is not above the first value give
    NaN.
    """
    curve = moving_mean(numerator, denominator)
    start = curve[:, :1]
    end = ratio(numerator[:, -END:].sum(axis=1), denominator[:, -END:].sum(axis=1))[:, None]
    return ratio(curve - start, np.where(end > start, end - start, 0))


def risen_at(steps: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """The RL step at which each curve has completed 90 % of its rise.

    fraction has shape (curves, steps). Returns shape (curves,). NaN for a curve that does not rise,
    and for all curves if there are fewer than 30 steps.
    """
    reached = fraction >= RISE
    known = reached.any(axis=1) & (len(steps) >= WINDOW + END)
    return np.where(known, steps[reached.argmax(axis=1)], np.nan)


@dataclass(frozen=True)
class TimeScales:
    """RL steps at which selection and improvement completed 90 % of their rise, and their ratio.

    In these estimates, n_samples is the number of rollouts per seed.
    """

    selection: Estimate
    improvement: Estimate
    ratio: Estimate


def measure_time_scales(curves: Curves) -> TimeScales:
    """Measure how many RL steps selection and improvement take.

    Selection is the rise of the share of the fitting strategy. Improvement is the rise of the
    accuracy among responses with that strategy. An estimate is NaN where `risen_at` returns NaN.
    """
    selection = risen_at(curves.steps, fraction_of_rise(*curves.fitting))
    improvement = risen_at(curves.steps, fraction_of_rise(*curves.accuracy_given_fitting))
    per_seed = curves.n_rollouts // curves.n_seeds
    estimates = [
        Estimate(*interval(vector, curves.confidence), 0, curves.n_seeds, per_seed)
        for vector in (selection, improvement, ratio(improvement, selection))
    ]
    return TimeScales(*estimates)
