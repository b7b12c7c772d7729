"""Estimators and their intervals: pass@k, and the bootstrap over seeds and problems.

A bootstrap resample is a data set drawn with replacement from the observed one. A statistic is a
vector of shape (1 + resamples,): element 0 is the value on the observed data, the others are the
values on the resamples. A difference, maximum or ratio of statistics is computed elementwise.
`interval` reads the value and the percentile interval from such a vector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from workflow_scripts.task.solutions import guess_and_check_success
from workflow_scripts.task.text import Form


@dataclass(frozen=True)
class Estimate:
    """A value, its percentile interval, and the amount of data it was measured on.

    n_samples is the number of samples per problem.
    """

    value: float
    ci_low: float
    ci_high: float
    n_problems: int
    n_seeds: int
    n_samples: int


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


def guess_and_check_pass_at_k(
    form: Form, p: int, steps: Sequence[int], word_limit: int, k: np.ndarray
) -> np.ndarray:
    """pass@k of the strategy "guess and check", averaged over the given numbers of steps.

    The success probability of one sample is task.solutions.guess_and_check_success. Returns an
    array of the shape of k.
    """
    success = [guess_and_check_success(form, p, n_steps, word_limit) for n_steps in steps]
    return np.mean([1.0 - (1.0 - q) ** np.asarray(k) for q in success], axis=0)


def seed_weights(n_seeds: int, n_resamples: int, seed: int) -> np.ndarray:
    """How often each seed occurs in each resample, of shape (1 + resamples, seeds).

    Row 0, for the observed data, is all ones. For a single seed the other rows are NaN, so that
    there is no interval: one seed does not show how much results vary between seeds.
    """
    if n_seeds == 1:
        return np.concatenate([np.ones((1, 1)), np.full((n_resamples, 1), np.nan)])
    draws = np.random.default_rng(seed).multinomial(
        n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_resamples
    )
    return np.concatenate([np.ones((1, n_seeds)), draws])


@lru_cache(maxsize=8)
def problem_weights(strata: tuple[int, ...], n_resamples: int, seed: int) -> np.ndarray:
    """How often each problem occurs in each resample, of shape (1 + resamples, problems).

    Problems are drawn within their stratum (problems of one type, number of steps and number of
    parts); strata[i] is the index of problem i's stratum. Row 0, for the observed data, is all
    ones.
    """
    rng = np.random.default_rng(seed)
    labels = np.asarray(strata)
    counts = np.ones((1 + n_resamples, len(labels)))
    for stratum in np.unique(labels):
        mine = np.flatnonzero(labels == stratum)
        shares = np.full(len(mine), 1 / len(mine))
        counts[1:, mine] = rng.multinomial(len(mine), shares, size=n_resamples)
    return counts


def crossed_weights(
    n_seeds: int, strata: tuple[int, ...], n_resamples: int, seed: int
) -> np.ndarray:
    """How often each pair of seed and problem counts, of shape (1 + resamples, seeds, problems).

    All seeds are scored on the same problems, and a hard problem is hard for all seeds. So seeds
    and problems are drawn independently, and their counts are multiplied (Owen 2007, "The
    pigeonhole bootstrap"), which gives conservative intervals. The weights depend only on the
    arguments, so runs with the same seeds and problems have the same resamples: their statistics
    are paired.
    """
    seeds = seed_weights(n_seeds, n_resamples, seed) if n_seeds > 1 else np.ones((1, 1))
    problems = problem_weights(strata, n_resamples, seed + 1)
    return seeds[:, :, None] * problems[:, None, :]


def interval(vector: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """The value and the percentile interval of a statistic of shape (1 + resamples,).

    Returns (value, low, high). low and high are NaN if the value is undefined, or if the statistic
    is undefined (not finite) on more than a share (1 - confidence) / 2 of the resamples.
    """
    tail = (1.0 - confidence) / 2
    value, resampled = float(vector[0]), vector[1:]
    defined = resampled[np.isfinite(resampled)]
    if not np.isfinite(value) or len(defined) < (1.0 - tail) * len(resampled):
        return value, float("nan"), float("nan")
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return value, float(low), float(high)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The elementwise ratio of two arrays, NaN where the denominator is 0."""
    undefined = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)


def spread(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """The largest difference between statistics on paired resamples, of shape (1 + resamples,)."""
    return np.max(vectors, axis=0) - np.min(vectors, axis=0)
