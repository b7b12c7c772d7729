"""How firmly an interval decides whether a value lies within bounds, and what would decide it."""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import logit, stdtrit

from workflow_scripts.evaluate.statistics import Scale, Statistic, interval

_SMALLEST_P = 1e-9
_MOST_SEEDS = 1000


def p_outside(statistic: Statistic, scale: Scale, low: float, high: float) -> float:
    """The p value of the hypothesis that the true value lies within the bounds, low to high.

    It is the smallest alpha for which the interval of confidence 1 - alpha lies wholly outside the
    bounds. It is two-sided, as the interval is, so it is conservative. It is 1 if the value lies
    within the bounds or has no interval, and never below 1e-9.
    """
    value = float(statistic.value)

    def gap(log_p: float) -> float:
        """How far the interval of confidence 1 - p stays away from the bounds."""
        _, ci_low, ci_high = interval(statistic, scale, 1 - math.exp(log_p))
        return float(ci_low - high if value > high else low - ci_high)

    widest, narrowest = math.log(_SMALLEST_P), -1e-12
    if low <= value <= high or not gap(narrowest) > 0:  # no interval: the gap is NaN
        return 1.0
    if gap(widest) > 0:
        return _SMALLEST_P
    return math.exp(brentq(gap, widest, narrowest))


def seeds_to_decide(
    statistic: Statistic, scale: Scale, confidence: float, low: float, high: float
) -> int | None:
    """The number of seeds with which the interval would not contain a bound any more.

    Assumes that value and variances stay as they are, and that the variance from seeds falls with
    their number. The number is that of each model that is compared. None if more seeds alone would
    not decide, because problems vary too much, or if the statistic does not show how seeds vary.
    """
    variances, tail = statistic.variances, (1 + confidence) / 2
    distance = min(_distance(float(statistic.value), bound, scale) for bound in (low, high))
    n_seeds = min(len(design.seeds) for design in statistic.influence)
    seeds, problems = float(variances.seeds), float(variances.problems)
    if not math.isfinite(seeds + problems + distance) or seeds == 0 or n_seeds < 2:
        return None
    t_problems = float(stdtrit(variances.df_problems, tail)) if problems else 0.0
    df_of_one = float(variances.df_seeds) / (n_seeds - 1)
    for more in range(n_seeds, _MOST_SEEDS):
        of_seeds = seeds * n_seeds / more
        t_seeds = float(stdtrit(df_of_one * (more - 1), tail))
        margin = (of_seeds * t_seeds + problems * t_problems) / math.sqrt(of_seeds + problems)
        if margin < distance:
            return more
    return None


def _distance(value: float, bound: float, scale: Scale) -> float:
    """How far a value is from a bound, in units of the value, as its interval measures it."""
    if not math.isfinite(bound):
        return math.inf
    if scale == Scale.LOG:
        return value * abs(math.log(value / bound)) if value > 0 < bound else math.inf
    if scale == Scale.LOGIT:
        if not (0 < value < 1 and 0 < bound < 1):
            return math.inf
        return value * (1 - value) * abs(float(logit(value) - logit(bound)))
    return abs(value - bound)


def holm(p_values: list[float], alpha: float) -> list[bool]:
    """Which hypotheses are rejected by Holm's method at a familywise error rate of alpha.

    Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    rejected = [False] * len(p_values)
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected
