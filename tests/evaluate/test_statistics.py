from dataclasses import astuple
from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from scipy.stats import t

from workflow_scripts.evaluate.statistics import (
    Design,
    Scale,
    Statistic,
    interval,
    mean_over_seeds,
    pass_at_k,
    powers_of_two,
    ratio,
    ratio_of_sums,
)


@pytest.mark.parametrize("n", range(1, 9))
def test_pass_at_k_is_the_share_of_subsets_that_hold_a_correct_sample(n):
    for k in range(1, n + 1):
        for correct in range(n + 1):
            samples = [True] * correct + [False] * (n - correct)
            subsets = list(combinations(samples, k))
            expected = sum(any(subset) for subset in subsets) / len(subsets)
            assert pass_at_k(n, correct, k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 100, 512, 1023, 1024])
def test_pass_at_k_is_exact_for_1024_samples(k):
    correct = np.array([0, 1, 2, 5, 100, 512, 1023, 1024])
    expected = [float(1 - Fraction(comb(1024 - c, k), comb(1024, k))) for c in correct.tolist()]
    np.testing.assert_allclose(pass_at_k(1024, correct, k), expected, rtol=1e-10, atol=1e-12)


def test_pass_at_k_keeps_the_shape_of_the_problems():
    assert pass_at_k(4, np.array([[0, 1, 4], [2, 2, 2]]), 2).shape == (2, 3)


@pytest.mark.parametrize(("n", "correct", "k"), [(4, 2, 5), (4, 2, 0), (4, 5, 2), (4, -1, 2)])
def test_pass_at_k_refuses_what_cannot_be_in_one_line(n, correct, k):
    with pytest.raises(ValueError, match=r"^pass@k needs [^\n]*$"):
        pass_at_k(n, np.array([correct]), k)


@pytest.mark.parametrize(("n", "expected"), [(1, [1]), (8, [1, 2, 4, 8]), (11, [1, 2, 4, 8])])
def test_powers_of_two(n, expected):
    assert powers_of_two(n) == expected


RNG = np.random.default_rng(0)
LINEAR, LOG, LOGIT = Scale.LINEAR, Scale.LOG, Scale.LOGIT


def table(values, family="FB", strata=None, n_trials=None) -> Statistic:
    """The mean of values of shape (seeds, problems)."""
    n_seeds, n_problems = values.shape
    strata = strata or (0,) * n_problems
    design = Design(family, tuple(range(n_seeds)), tuple(range(n_problems)), tuple(strata))
    trials = np.array(float(n_problems if n_trials is None else n_trials))
    return ratio_of_sums(values, np.ones_like(values), design, trials, n_samples=4)


def crossed(n_seeds=4, n_problems=60, of_seeds=0.3, of_problems=1.0, noise=0.5) -> np.ndarray:
    seeds = of_seeds * RNG.normal(size=(n_seeds, 1))
    problems = of_problems * RNG.normal(size=(1, n_problems))
    return 10 + seeds + problems + noise * RNG.normal(size=(n_seeds, n_problems))


def seeds_alone(values, family="FB") -> Statistic:
    design = Design(family, tuple(range(len(values))))
    return mean_over_seeds(np.asarray(values, float), design, n_samples=100)


def width(statistic: Statistic, scale=LINEAR) -> float:
    _, low, high = interval(statistic, scale, 0.95)
    return high - low


# ---- variances ---------------------------------------------------------------------------------


def test_a_mean_over_seeds_has_the_usual_variance_and_t_interval():
    values = RNG.normal(5, 2, size=6)
    statistic = seeds_alone(values)
    assert statistic.variances.seeds == pytest.approx(values.var(ddof=1) / 6)
    margin = t.ppf(0.975, 5) * values.std(ddof=1) / np.sqrt(6)
    expected = values.mean() + np.array([0, -margin, margin])
    np.testing.assert_allclose(interval(statistic, LINEAR, 0.95), expected)


def test_the_variance_from_seeds_is_that_of_the_jackknife():
    values = crossed(n_seeds=5)
    left_out = [np.delete(values, seed, axis=0).mean() for seed in range(5)]
    jackknife = 4 / 5 * np.square(np.array(left_out) - np.mean(left_out)).sum()
    assert table(values).variances.seeds == pytest.approx(jackknife)


def test_the_variance_from_problems_is_within_strata_and_without_the_interaction():
    values, strata = crossed(3, 40), [0] * 10 + [1] * 30
    values[:, 10:] += 100  # the difference between strata is no variance
    variances = table(values, strata=strata).variances
    expected = 0.0
    for stratum, n in ((slice(10), 10), (slice(10, 40), 30)):
        mine = values[:, stratum]
        rest = mine - mine.mean(axis=0) - mine.mean(axis=1, keepdims=True) + mine.mean()
        of_interaction = np.square(rest).sum() / (2 * (n - 1)) / 3
        expected += (n / 40) ** 2 * (mine.mean(axis=0).var(ddof=1) - of_interaction) / n
    assert variances.problems == pytest.approx(expected)
    assert variances.df_seeds == 2
    assert 9 < variances.df_problems < 38  # between that of the smaller stratum and that of all


def test_the_true_variances_are_found():
    """The mean of 200 estimates. True: 0.09/5, 1/80, and the interaction 0.25/400 with seeds."""
    found = [table(crossed(5, 80)).variances for _ in range(200)]
    assert np.mean([each.seeds for each in found]) == pytest.approx(0.09 / 5 + 0.25 / 400, rel=0.15)
    assert np.mean([each.problems for each in found]) == pytest.approx(1 / 80, rel=0.1)


def test_a_ratio_of_sums_varies_as_its_linear_part():
    over, under = crossed(8, 60), crossed(8, 60)
    design = Design("FB", tuple(range(8)), tuple(range(60)), (0,) * 60)
    found = ratio_of_sums(over, under, design, np.array(0.0), 4).variances
    left_out = [
        np.delete(over, seed, axis=0).sum() / np.delete(under, seed, axis=0).sum()
        for seed in range(8)
    ]
    jackknife = 7 / 8 * np.square(np.array(left_out) - np.mean(left_out)).sum()
    assert found.seeds == pytest.approx(jackknife, rel=0.02)


# ---- combinations ------------------------------------------------------------------------------


def test_differences_of_one_family_are_paired_by_seed_and_problem():
    before = crossed()
    after = before + 0.1 + RNG.normal(0, 0.001, size=before.shape)
    _, low, high = interval(table(after) - table(before), LINEAR, 0.95)
    assert low < 0.1 < high
    assert high - low < 0.01
    assert width(table(after)) > 0.5


def test_differences_of_two_families_are_paired_by_problem_alone():
    one, other = crossed(of_seeds=0, of_problems=5), crossed(of_seeds=0)
    other = one + RNG.normal(0, 0.1, size=one.shape)
    seeds = RNG.normal(size=(2, 4, 1))
    unpaired = table(other + seeds[0], family="F") - table(one + seeds[1], family="B")
    alone = [table(values + effect) for values, effect in zip((other, one), seeds, strict=True)]
    parts = [statistic.variances for statistic in alone]
    found = unpaired.variances
    assert found.seeds == pytest.approx(parts[0].seeds + parts[1].seeds)
    assert 3 <= found.df_seeds <= 6
    assert found.problems < 0.01 * parts[0].problems


def test_other_problems_are_not_paired():
    values = crossed()
    design = Design("FB", tuple(range(4)), tuple(range(100, 160)), (0,) * 60)
    other = ratio_of_sums(values, np.ones_like(values), design, np.array(60.0), 4)
    statistic = other - table(values)
    assert statistic.variances.seeds == pytest.approx(0)
    assert statistic.variances.problems == pytest.approx(2 * table(values).variances.problems)


def test_differences_of_differences_cancel_what_all_have_in_common():
    common, effect = crossed(), RNG.normal(size=(4, 60))
    first = table(common + effect) - table(common)
    second = table(2 * common + effect) - table(2 * common)
    statistic = first - second
    assert statistic.value == pytest.approx(0)
    assert np.sqrt(statistic.variances.seeds + statistic.variances.problems) < 1e-12


def test_ratios_follow_the_delta_method():
    one, other = seeds_alone([10.0, 11, 12]), seeds_alone([4.0, 5, 6])
    found = (one / other).variances.seeds
    influence = (np.array([-1.0, 0, 1]) - 11 / 5 * np.array([-1.0, 0, 1])) / 3 / 5
    assert found == pytest.approx(1.5 * np.square(influence).sum())
    unpaired = (one / seeds_alone([4.0, 5, 6], "F")).variances.seeds
    assert unpaired == pytest.approx((11 / 5) ** 2 * (1 / 3 / 11**2 + 1 / 3 / 5**2))


def test_ratios_by_zero_are_undefined():
    statistic = seeds_alone([1.0, 2]) / seeds_alone([-1.0, 1])
    assert np.isnan(interval(statistic, LOG, 0.95)).all()
    np.testing.assert_array_equal(ratio(np.ones(2), np.array([0.0, 2])), [np.nan, 0.5])


def test_statistics_of_one_family_on_other_seeds_are_refused():
    statistic = seeds_alone([1.0, 2, 3]) - seeds_alone([1.0, 2])
    with pytest.raises(ValueError, match="same seeds"):
        _ = statistic.variances


def test_statistics_of_several_values_are_those_of_each_value():
    values = np.stack([crossed(), crossed()], axis=-1)
    design = Design("FB", tuple(range(4)), tuple(range(60)), (0, 1) * 30)
    both = ratio_of_sums(values, np.ones_like(values), design, np.full(2, 60.0), 4)
    for index in range(2):
        single = table(values[..., index], strata=(0, 1) * 30).estimate(LINEAR, 0.9)
        for estimate in (both.estimates(LINEAR, 0.9)[index], both[index].estimate(LINEAR, 0.9)):
            assert astuple(estimate) == pytest.approx(astuple(single))


# ---- intervals ---------------------------------------------------------------------------------


def test_the_t_quantile_is_that_of_the_source_that_varies():
    seeds, problems = RNG.normal(size=(4, 1)), RNG.normal(size=(1, 60))
    for values, df in ((seeds + np.zeros((1, 60)), 3), (problems + np.zeros((4, 1)), 59)):
        statistic = table(values)
        variance = statistic.variances.seeds + statistic.variances.problems
        assert width(statistic) == pytest.approx(2 * t.ppf(0.975, df) * np.sqrt(variance))
    both = table(seeds + problems)
    error = np.sqrt(both.variances.seeds + both.variances.problems)
    assert 2 * t.ppf(0.975, 59) * error < width(both) < 2 * t.ppf(0.975, 3) * error


def test_an_interval_is_symmetric_on_its_scale():
    rate = table(np.clip(RNG.normal(0.9, 0.1, size=(3, 60)), 0, 1))
    value, low, high = interval(rate, LOGIT, 0.95)
    logits = np.log([value / (1 - value), low / (1 - low), high / (1 - high)])
    assert logits[2] - logits[0] == pytest.approx(logits[0] - logits[1])
    value, low, high = interval(seeds_alone([10.0, 12, 20]), LOG, 0.95)
    assert high / value == pytest.approx(value / low)
    assert low > 0


def test_geometric_means_have_the_t_interval_of_their_logarithms():
    times = np.array([8.0, 12, 15, 9])
    logs = interval(seeds_alone(np.log(times)), LINEAR, 0.95)
    found = interval(seeds_alone(np.log(times)).exp(), LOG, 0.95)
    np.testing.assert_allclose(found, np.exp(logs))


def test_a_multiple_of_a_time_has_the_multiple_of_its_interval():
    time = seeds_alone([8.0, 12, 15, 9])
    for scale in (LINEAR, LOG):
        np.testing.assert_allclose(
            interval(time.times(2.5), scale, 0.95), 2.5 * interval(time, scale, 0.95)
        )


def test_intervals_of_rates_stay_within_their_bounds():
    values = np.zeros((3, 60))
    values[0, :2] = 0.25
    for rates in (values, 1 - values):
        value, low, high = interval(table(rates), LOGIT, 0.95)
        assert 0 < low < value < high < 1


def test_one_seed_has_an_interval_over_problems_alone():
    problems = RNG.normal(size=(1, 50))
    estimate = table(problems).estimate(LINEAR, 0.95)
    margin = t.ppf(0.975, 49) * problems.std(ddof=1) / np.sqrt(50)
    assert estimate.ci_high - estimate.value == pytest.approx(margin)
    assert estimate.n_seeds == 1
    assert np.isnan(estimate.se_seeds)
    assert estimate.se_problems > 0
    assert np.isnan(interval(seeds_alone([0.3]), LINEAR, 0.95)[1:]).all()


def test_a_model_with_one_seed_adds_no_variance_between_seeds():
    many, one = crossed(n_seeds=4), crossed(n_seeds=1)
    estimate = (table(many, "FB") - table(one, "F")).estimate(LINEAR, 0.95)
    assert estimate.n_seeds == 1
    assert estimate.se_seeds == pytest.approx(np.sqrt(table(many).variances.seeds))


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_rate_of_zero_or_one_has_the_exact_bound_for_its_number_of_problems(rate):
    """If the true rate were at the bound, 60 problems would all agree in 5 % of all studies."""
    value, low, high = interval(table(np.full((3, 60), rate)), LOGIT, 0.95)
    assert value == rate
    assert (low == 0) if rate == 0 else (high == 1)
    assert (1 - (high - low)) ** 60 == pytest.approx(0.05)


def test_a_difference_that_does_not_vary_has_that_bound_on_both_sides():
    rates = np.full((3, 60), 0.5)
    value, low, high = interval(table(rates) - table(rates), LINEAR, 0.95)
    assert value == 0
    assert (1 - high) ** 60 == (1 + low) ** 60 == pytest.approx(0.05)
    assert np.isnan(interval(table(rates, n_trials=0), LINEAR, 0.95)[1:]).all()


def test_a_stratum_with_one_problem_leaves_no_interval():
    statistic = table(crossed(3, 5), strata=(0, 0, 1, 1, 2))
    assert np.isnan(interval(statistic, LINEAR, 0.95)[1:]).all()


def test_estimates_say_how_much_was_measured():
    estimate = table(crossed(3, 60)).estimate(LINEAR, 0.95)
    assert (estimate.n_problems, estimate.n_seeds, estimate.n_samples) == (60, 3, 4)
    larger = estimate.times(2)
    assert larger.ci_low == 2 * estimate.ci_low
    errors = (estimate.se_seeds, estimate.se_problems)
    assert (larger.se_seeds, larger.se_problems) == tuple(2 * error for error in errors)
