"""Estimators and their intervals: pass@k, and the bootstrap over seeds and problems.

Every statistic is computed on arrays whose first row is the data themselves and whose other rows
are resamples, so a difference, a maximum or a ratio of statistics is plain numpy on such vectors,
and `interval` reads value and interval off the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from workflow_scripts.task.solutions import guess_and_check_success
from workflow_scripts.task.text import Form


@dataclass(frozen=True)
class Estimate:
    """A value, its percentile interval, and what it was measured on (samples: per problem)."""

    value: float
    ci_low: float
    ci_high: float
    n_problems: int
    n_seeds: int
    n_samples: int


def pass_at_k(n: int, correct: np.ndarray, k: int) -> np.ndarray:
    """Probability that k of n samples without replacement hold a correct one, per problem.

    The unbiased estimator 1 - C(n - c, k) / C(n, k) of Chen et al. 2021 ("Evaluating Large
    Language Models Trained on Code", equation 1) for c = correct, of any shape, as their product
    over i = n - c + 1 .. n of (1 - k / i), which neither overflows nor cancels.
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
    """1, 2, 4, ... up to n: the k of pass@k with n samples."""
    return [2**i for i in range(n.bit_length())]


def guess_and_check_pass_at_k(
    form: Form, p: int, steps: Sequence[int], word_limit: int, k: np.ndarray
) -> np.ndarray:
    """pass@k of guess and check on problems spread evenly over some numbers of steps."""
    success = [guess_and_check_success(form, p, n_steps, word_limit) for n_steps in steps]
    return np.mean([1.0 - (1.0 - q) ** np.asarray(k) for q in success], axis=0)


def seed_weights(n_seeds: int, n_resamples: int, seed: int) -> np.ndarray:
    """How often each seed is drawn: (1 + resamples, seeds); the first row is the data.

    The resamples of a single seed say nothing of other seeds: they are NaN, so no interval.
    """
    if n_seeds == 1:
        return np.concatenate([np.ones((1, 1)), np.full((n_resamples, 1), np.nan)])
    draws = np.random.default_rng(seed).multinomial(
        n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_resamples
    )
    return np.concatenate([np.ones((1, n_seeds)), draws])


@lru_cache(maxsize=8)
def problem_weights(strata: tuple[int, ...], n_resamples: int, seed: int) -> np.ndarray:
    """How often each problem is drawn, within its stratum: (1 + resamples, problems).

    strata[i] is the stratum of problem i; the first row is the data.
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
    """How often each problem of each seed counts: (1 + resamples, seeds, problems).

    All seeds are scored on the same problems, so seeds and problems are drawn independently and
    their weights multiplied: what makes a problem hard, it does for all seeds at once (Owen 2007,
    "The pigeonhole bootstrap"; conservative). The weights depend on the arguments alone, so
    statistics of runs that share seeds and problems are paired.
    """
    seeds = seed_weights(n_seeds, n_resamples, seed) if n_seeds > 1 else np.ones((1, 1))
    problems = problem_weights(strata, n_resamples, seed + 1)
    return seeds[:, :, None] * problems[:, None, :]


def interval(vector: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Value and percentile interval of (1 + resamples,) statistics, NaN where undefined.

    There is no interval where more resamples leave the statistic undefined than lie beyond one of
    its ends.
    """
    tail = (1.0 - confidence) / 2
    value, resampled = float(vector[0]), vector[1:]
    defined = resampled[np.isfinite(resampled)]
    if not np.isfinite(value) or len(defined) < (1.0 - tail) * len(resampled):
        return value, float("nan"), float("nan")
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return value, float(low), float(high)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Numerator / denominator, NaN where the denominator is 0."""
    undefined = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)


def spread(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """The largest difference between some statistics that share their resamples."""
    return np.max(vectors, axis=0) - np.min(vectors, axis=0)
