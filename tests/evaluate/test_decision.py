from math import inf, nan

import numpy as np
import pytest
from scipy.stats import t

from workflow_scripts.evaluate.decision import holm, p_outside, seeds_to_decide
from workflow_scripts.evaluate.statistics import (
    Design,
    Scale,
    Statistic,
    interval,
    mean_over_seeds,
    ratio_of_sums,
)

LINEAR, LOG, LOGIT = Scale.LINEAR, Scale.LOG, Scale.LOGIT
VALUES = np.array([0.55, 0.6, 0.62, 0.7])


def of_seeds(values, family="FB") -> Statistic:
    return mean_over_seeds(np.array(values, float), Design(family, tuple(range(len(values)))), 1)


def rates(n_seeds=3, n_problems=40, seeds=0.3, problems=1.5, rng=0) -> Statistic:
    rng = np.random.default_rng(rng)
    logits = seeds * rng.normal(size=(n_seeds, 1)) + problems * rng.normal(size=(1, n_problems))
    values = 1 / (1 + np.exp(-logits))
    ids = tuple(range(n_problems))
    design = Design("FB", tuple(range(n_seeds)), ids, (0,) * n_problems)
    return ratio_of_sums(values, np.ones_like(values), design, np.array(float(n_problems)), 1)


def contains(statistic, scale, confidence, bound) -> bool:
    _, low, high = interval(statistic, scale, confidence)
    return low < bound < high


# ---- p values ----------------------------------------------------------------------------------


def test_the_p_value_of_seeds_alone_is_that_of_the_t_test():
    distance = (VALUES.mean() - 0.5) / (VALUES.std(ddof=1) / 2)
    expected = 2 * t.sf(distance, 3)
    assert p_outside(of_seeds(VALUES), LINEAR, -inf, 0.5) == pytest.approx(expected)
    assert p_outside(of_seeds(-VALUES), LINEAR, -0.5, inf) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [LINEAR, LOGIT])
@pytest.mark.parametrize(("low", "high"), [(-inf, 0.3), (0.65, inf), (0.1, 0.3), (0.65, 0.9)])
def test_the_interval_of_confidence_one_less_p_touches_the_bound(scale, low, high):
    statistic = rates()
    p = p_outside(statistic, scale, low, high)
    bound = high if float(statistic.value) > high else low
    assert 1e-9 < p < 1
    assert contains(statistic, scale, 1 - 0.99 * p, bound)
    assert not contains(statistic, scale, 1 - 1.01 * p, bound)


def test_a_value_within_the_bounds_is_no_evidence_against_them():
    assert p_outside(of_seeds(VALUES), LINEAR, 0.5, 0.7) == 1
    assert p_outside(of_seeds(VALUES), LINEAR, float(VALUES.mean()), inf) == 1


def test_a_value_without_an_interval_is_no_evidence():
    assert p_outside(of_seeds([0.6]), LINEAR, -inf, 0.5) == 1
    assert p_outside(of_seeds([nan, nan]), LINEAR, -inf, 0.5) == 1


def test_a_rate_that_never_varies_has_the_p_value_of_its_exact_bound():
    """All of 40 problems are solved. The rate would be 0.9 with a probability of 0.9^40."""
    design = Design("FB", (0, 1, 2), tuple(range(40)), (0,) * 40)
    solved = np.ones((3, 40))
    statistic = ratio_of_sums(solved, solved, design, np.array(40.0), 1)
    assert p_outside(statistic, LOGIT, -inf, 0.9) == pytest.approx(0.9**40)


def test_overwhelming_evidence_has_the_smallest_p_value():
    assert p_outside(of_seeds(VALUES + 1e6), LINEAR, -inf, 0.5) == 1e-9


# ---- seeds -------------------------------------------------------------------------------------


def test_more_seeds_of_the_same_spread_decide():
    """Checked by repeating the seeds: their variance is then that of as many seeds."""
    statistic = of_seeds([0.4, 0.6, 0.8])
    assert contains(statistic, LINEAR, 0.95, 0.5)
    found = seeds_to_decide(statistic, LINEAR, 0.95, 0.5, inf)
    deviation = 0.2
    margins = {n: t.ppf(0.975, n - 1) * deviation / np.sqrt(n) for n in (found - 1, found)}
    assert margins[found] < 0.1 <= margins[found - 1]


@pytest.mark.parametrize(("scale", "bound"), [(LINEAR, 0.5), (LOG, 0.5), (LOGIT, 0.5)])
def test_decided_intervals_need_no_more_seeds(scale, bound):
    decided = of_seeds(VALUES)
    for confidence in (0.5, 0.8, 0.95, 0.99):
        needs = seeds_to_decide(decided, scale, confidence, bound, inf)
        assert (needs == 4) == (not contains(decided, scale, confidence, bound))


def test_the_nearest_bound_is_what_has_to_be_excluded():
    statistic = of_seeds([0.4, 0.6, 0.8])
    near = seeds_to_decide(statistic, LINEAR, 0.95, 0.5, inf)
    assert seeds_to_decide(statistic, LINEAR, 0.95, 0.5, 0.9) == near
    assert seeds_to_decide(statistic, LINEAR, 0.95, 0.2, 0.9) < near


def test_seeds_alone_do_not_decide_if_problems_vary_too_much():
    statistic = rates(n_problems=10, seeds=0.3, problems=3.0)
    value = float(statistic.value)
    assert seeds_to_decide(statistic, LOGIT, 0.95, value - 0.01, 1) is None
    assert seeds_to_decide(rates(n_problems=4000), LOGIT, 0.95, 0.3, 1) is not None


def test_one_seed_does_not_show_how_many_would_decide():
    assert seeds_to_decide(rates(n_seeds=1), LOGIT, 0.95, 0.4, 1) is None
    assert seeds_to_decide(of_seeds([nan, nan]), LINEAR, 0.95, 0.4, 1) is None


# ---- several hypotheses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p_values", "rejected"),
    [
        ([0.04], [True]),
        ([0.04, 0.9], [False, False]),  # 0.04 is above 0.05 / 2
        ([0.9, 0.02, 0.04], [False, False, False]),
        ([0.01, 0.02, 0.04], [True, True, True]),
        ([0.03, 0.01, 0.9], [False, True, False]),  # after the first, 0.03 is above 0.05 / 2
        ([], []),
    ],
)
def test_holm_rejects_step_by_step(p_values, rejected):
    assert holm(p_values, 0.05) == rejected


def test_holm_is_wrong_in_at_most_five_per_cent_of_all_claims():
    p_values = np.random.default_rng(0).random((4000, 6))
    wrong = np.mean([any(holm(row.tolist(), 0.05)) for row in p_values])
    assert 0.04 < wrong < 0.06
