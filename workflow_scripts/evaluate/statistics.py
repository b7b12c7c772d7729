"""Estimators and their intervals: pass@k, and t intervals over seeds and problems.

A result varies with the seed of the runs and with the problems on which it is measured. A
`Statistic` is a value together with the influence of each seed and each problem on it. Two
variances follow from the influences, one from seeds and one from problems, and a t interval follows
from both. No data are resampled: the same data always give the same interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit, logit, stdtrit

# A standard error below this is a rounding error: the value does not vary.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A value, its interval, and the amount of data it was measured on.

    n_samples is the number of samples per problem. If several models are compared, n_problems and
    n_seeds are the smallest of their numbers. se_seeds and se_problems are the standard errors of
    the value that come from seeds and from problems. A model with one seed adds nothing to
    se_seeds, since one seed does not show how seeds differ. se_seeds is NaN if no model has more.
    """

    value: float
    ci_low: float
    ci_high: float
    n_problems: int
    n_seeds: int
    n_samples: int
    se_seeds: float
    se_problems: float

    def times(self, factor: float) -> "Estimate":
        """The estimate of the value times a positive factor."""
        names = ("value", "ci_low", "ci_high", "se_seeds", "se_problems")
        return replace(self, **{name: factor * getattr(self, name) for name in names})


class Scale(StrEnum):
    """The scale on which an interval is symmetric around its value.

    LINEAR is for differences, LOG for ratios and times, and LOGIT for rates: an interval on it
    never leaves [0, 1].
    """

    LINEAR = "linear"
    LOG = "log"
    LOGIT = "logit"


# ---- pass@k ------------------------------------------------------------------------------------


def pass_at_k(n: int, correct: np.ndarray, k: int) -> np.ndarray:
    """pass@k of each problem: the probability that at least one of k samples is correct.

    correct, an array of any shape, has the number c of correct samples among n samples of a
    problem. The estimator is 1 - C(n - c, k) / C(n, k), which is unbiased (Chen et al. 2021,
    "Evaluating Large Language Models Trained on Code", equation 1). It is computed as 1 - the
    product of (1 - k / i) over i = n - c + 1 .. n, which avoids overflow for large n. Raises
    ValueError unless 1 <= k <= n and 0 <= c <= n.
    """
    correct = np.asarray(correct)
    if not 1 <= k <= n:
        raise ValueError(f"pass@k needs 1 <= k <= n, not k = {k} with n = {n} samples")
    if correct.size and (correct.min() < 0 or correct.max() > n):
        raise ValueError(f"pass@k needs 0 <= correct <= n = {n}, not {correct.max()}")
    factors = np.maximum(0.0, 1.0 - k / np.arange(n, 0, -1))
    all_wrong = np.concatenate([[1.0], np.cumprod(factors)])
    return 1.0 - all_wrong[correct]


def powers_of_two(n: int) -> list[int]:
    """The powers of two up to n: the numbers k for which pass@k is computed from n samples."""
    return [2**i for i in range(n.bit_length())]


# ---- statistics --------------------------------------------------------------------------------


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The elementwise ratio of two arrays, NaN where the denominator is 0."""
    undefined = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=np.asarray(denominator) != 0)


@dataclass(frozen=True)
class Design:
    """What a statistic was measured on: the seeds of a family of runs, crossed with problems.

    Runs of one family start from the same SFT models, one for each seed. Every seed is scored on
    every problem. strata[i] is the stratum of problem i: problems are drawn within strata (type,
    number of steps, number of parts). problems is empty if a statistic has none.
    """

    family: str
    seeds: tuple[int, ...]
    problems: tuple[int, ...] = ()
    strata: tuple[int, ...] = ()


@dataclass(frozen=True)
class Variances:
    """The variances of a value from seeds and from problems, and their degrees of freedom (df).

    All arrays have the shape of the value. A variance is NaN if the data do not show it, and the
    variance from problems is 0 if there are none.
    """

    seeds: np.ndarray
    df_seeds: np.ndarray
    problems: np.ndarray
    df_problems: np.ndarray


@dataclass(frozen=True)
class Statistic:
    """A value, and the influence of each seed and each problem on it.

    value is an array of any shape. influence has one array per design, of shape (seeds, problems,
    *value.shape), or (seeds, 1, *value.shape) without problems. An entry says how far the responses
    of a seed to a problem move the value. For a mean over m seeds, the influence of seed s is
    (x_s - mean) / m.

    The influences on a difference are the differences of influences; those on a ratio follow by the
    delta method. Statistics of the same family are thereby paired by seed, and statistics on the
    same problems are paired by problem: what they have in common cancels. Sets of problems that
    overlap in part count as independent.

    trials is the number of problems with data, if the value is a rate or a difference of rates, and
    else 0. See `interval`.
    """

    value: np.ndarray
    influence: dict[Design, np.ndarray]
    trials: np.ndarray
    n_samples: int

    def __sub__(self, other: "Statistic") -> "Statistic":
        trials = np.minimum(self.trials, other.trials)
        return self._combined(other, self.value - other.value, (1.0, -1.0), trials)

    def __truediv__(self, other: "Statistic") -> "Statistic":
        value = ratio(self.value, other.value)
        slope = ratio(np.ones_like(value), other.value)
        return self._combined(other, value, (slope, -value * slope), np.zeros_like(value))

    def _combined(
        self, other: "Statistic", value: np.ndarray, slopes: tuple[Any, Any], trials: np.ndarray
    ) -> "Statistic":
        """A function of two statistics, with its value and its two derivatives (slopes)."""
        influence: dict[Design, np.ndarray] = {}
        for statistic, slope in zip((self, other), slopes, strict=True):
            for design, cells in statistic.influence.items():
                _accumulate(influence, design, slope * cells)
        return Statistic(value, influence, trials, self.n_samples)

    def __getitem__(self, index: int) -> "Statistic":
        """One element of an array of values."""
        influence = {design: cells[..., index] for design, cells in self.influence.items()}
        return Statistic(self.value[index], influence, self.trials[index], self.n_samples)

    def times(self, factor: float) -> "Statistic":
        """A statistic times a number. The result is no rate."""
        influence = {design: factor * cells for design, cells in self.influence.items()}
        value, trials = factor * self.value, np.zeros_like(self.trials)
        return replace(self, value=value, influence=influence, trials=trials)

    def exp(self) -> "Statistic":
        """The exponential function of a statistic: of a mean of logarithms, the geometric mean."""
        value = np.exp(self.value)
        influence = {design: value * cells for design, cells in self.influence.items()}
        return replace(self, value=value, influence=influence)

    @cached_property
    def variances(self) -> Variances:
        """The variances from seeds and from problems, by an analysis of variance.

        The mean over m seeds and n problems has the variance S/m + P/n + I/mn. S is the variance
        between seeds, P between problems, and I of their interaction, with the noise of sampling.
        The spread of the seeds' means estimates S/m + I/mn, that of the problems' means
        P/n + I/mn. I/mn is subtracted from the second, so that it counts once.

        A family with one seed does not show S, and its I/mn is not subtracted.
        """
        shape = np.shape(self.value)
        of_seeds: dict[tuple, np.ndarray] = {}
        of_problems: dict[tuple, np.ndarray] = {}
        interaction = np.zeros(shape)
        for design, cells in self.influence.items():
            _accumulate(of_seeds, (design.family, design.seeds), cells.sum(axis=1))
            if design.problems:
                _accumulate(of_problems, (design.problems, design.strata), cells.sum(axis=0))
                interaction += _interaction(cells, design.strata)
        if len(of_seeds) > len({family for family, _ in of_seeds}):
            raise ValueError("statistics of one family of runs must have the same seeds")
        strata = [
            rows
            for (_, labels), sums in of_problems.items()
            for rows in _by_stratum(sums, labels, axis=0)
        ]
        known = [rows for rows in of_seeds.values() if len(rows) > 1]
        seeds, df_seeds = _pooled(known, shape)
        problems, df_problems = _pooled(strata, shape)
        if not known:
            seeds = np.full(shape, np.nan)
        return Variances(seeds, df_seeds, np.maximum(problems - interaction, 0), df_problems)

    def estimates(self, scale: Scale, confidence: float) -> list[Estimate]:
        """The estimate of each value."""
        n_problems = min(len(design.problems) for design in self.influence)
        n_seeds = min(len(design.seeds) for design in self.influence)
        errors = np.sqrt([self.variances.seeds, self.variances.problems])
        numbers = np.concatenate([interval(self, scale, confidence), errors]).reshape(5, -1)
        return [
            Estimate(value, low, high, n_problems, n_seeds, self.n_samples, of_seeds, of_problems)
            for value, low, high, of_seeds, of_problems in numbers.T.tolist()
        ]

    def estimate(self, scale: Scale, confidence: float) -> Estimate:
        """The estimate of a statistic with a single value."""
        (estimate,) = self.estimates(scale, confidence)
        return estimate


def mean_over_seeds(values: np.ndarray, design: Design, n_samples: int) -> Statistic:
    """The mean of one value per seed, for values that are not measured problem by problem.

    values has the shape (seeds, ...), and the design has no problems.
    """
    mean = values.mean(axis=0)
    influence = (values - mean)[:, None] / len(values)
    return Statistic(mean, {design: influence}, np.zeros_like(mean), n_samples)


def ratio_of_sums(
    over: np.ndarray, under: np.ndarray, design: Design, trials: np.ndarray, n_samples: int
) -> Statistic:
    """The sum of over, divided by the sum of under.

    Both have the shape (seeds, problems, ...), and (seeds, 1, ...) for a design without problems.
    """
    total = under.sum(axis=(0, 1))
    value = ratio(over.sum(axis=(0, 1)), total)
    influence = ratio(over - value * under, total)
    return Statistic(value, {design: influence}, trials, n_samples)


def ratio_over_seeds(
    over: np.ndarray, under: np.ndarray, design: Design, n_samples: int
) -> Statistic:
    """The ratio of sums of counts of responses that are not measured problem by problem.

    Both have the shape (seeds, ...), and the design has no problems. Each response is one trial;
    one seed has no interval (see `interval`).
    """
    total = under.sum(axis=0)
    trials = total if len(under) > 1 else np.zeros_like(total)
    return ratio_of_sums(over[:, None], under[:, None], design, trials, n_samples)


def interval(statistic: Statistic, scale: Scale, confidence: float) -> np.ndarray:
    """The value and its t interval, as an array (value, low, high) of shape (3, *value.shape).

    With the variances A from seeds and B from problems, the interval is value ± t sqrt(A + B),
    where t is the mean of the two t quantiles with weights A and B (Cochran 1964, "Approximate
    significance levels of the Behrens-Fisher test"). On the scales LOG and LOGIT the standard error
    is divided by value and by value (1 - value). If all models have a single seed, the interval is
    over problems alone.

    A value that does not vary at all, such as a rate of exactly 0 or 1, has no variance. It gets
    the bound of Clopper and Pearson, with each problem as one trial: if none of n problems
    deviates, the share of problems that do is below 1 - (1 - confidence)^(1/n). This bound is wide,
    since it ignores that problems have several samples. It does not cover differences between
    seeds.

    low and high are NaN if the value is undefined, if a stratum has a single problem, and for one
    seed without problems.
    """
    variances, tail = statistic.variances, (1 + confidence) / 2
    seeds, problems = np.nan_to_num(variances.seeds), variances.problems
    error = np.sqrt(seeds + problems)
    t_seeds, t_problems = (stdtrit(df, tail) for df in (variances.df_seeds, variances.df_problems))
    margin = ratio(seeds * t_seeds + problems * t_problems, error)
    constant = error < _ROUNDING
    bound = 1 - (1 - confidence) ** ratio(np.ones_like(error), statistic.trials)
    value = statistic.value
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == Scale.LINEAR:
            low, high = value - margin, value + margin
        elif scale == Scale.LOG:
            positive = np.where(value > 0, value, np.nan)
            low, high = (positive * np.exp(side * margin / positive) for side in (-1, 1))
        else:
            slope = 1 / (value * (1 - value))
            low, high = (expit(logit(value) + side * margin * slope) for side in (-1, 1))
    low, high = np.where(constant, value - bound, low), np.where(constant, value + bound, high)
    if scale == Scale.LOGIT:
        low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
    return np.array([value, np.minimum(low, value), np.maximum(high, value)])


def _accumulate(sums: dict[Any, np.ndarray], key: Any, addend: np.ndarray) -> None:
    sums[key] = sums[key] + addend if key in sums else addend


def _by_stratum(rows: np.ndarray, strata: Sequence[int], axis: int) -> list[np.ndarray]:
    """The parts of an array that belong to each stratum. axis is that of the problems."""
    labels = np.asarray(strata)
    return [rows.compress(labels == stratum, axis) for stratum in np.unique(labels)]


def _pooled(samples: list[np.ndarray], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The variance of the sum of independent samples of influences, and its degrees of freedom.

    A sample has the shape (units, *shape). The degrees of freedom are those of Satterthwaite. The
    variance is NaN if a sample has one unit only.
    """
    if not samples:
        return np.zeros(shape), np.ones(shape)
    free = np.array([len(rows) - 1 for rows in samples])
    parts = np.array(
        [
            len(rows) * rows.var(axis=0, ddof=1) if len(rows) > 1 else np.full(shape, np.nan)
            for rows in samples
        ]
    )
    variance, squares = parts.sum(axis=0), np.tensordot(1 / np.maximum(free, 1), parts**2, axes=1)
    varies = squares > 0
    df = np.where(varies, variance**2 / np.where(varies, squares, 1), free.sum())
    return variance, df


def _interaction(cells: np.ndarray, strata: Sequence[int]) -> np.ndarray:
    """The variance of the mean from the interaction of seeds and problems; 0 for one seed."""
    n_seeds, variance = len(cells), np.zeros(cells.shape[2:])
    for rows in _by_stratum(cells, strata, axis=1) if n_seeds > 1 else []:
        n_problems = rows.shape[1]
        if n_problems > 1:
            rest = rows - rows.mean(axis=0)
            rest -= rest.mean(axis=1, keepdims=True)
            scale = n_seeds * n_problems / ((n_seeds - 1) * (n_problems - 1))
            variance += scale * np.square(rest).sum(axis=(0, 1))
    return variance
