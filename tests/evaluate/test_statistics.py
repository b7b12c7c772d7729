from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest

from workflow_scripts.evaluate.statistics import (
    crossed_weights,
    guess_and_check_pass_at_k,
    interval,
    pass_at_k,
    powers_of_two,
    problem_weights,
    ratio,
    seed_weights,
)
from workflow_scripts.task.solutions import guess_and_check_success
from workflow_scripts.task.text import COMPACT


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


def test_guess_and_check_solves_one_sample_by_its_success_and_many_almost_surely():
    success = [guess_and_check_success(COMPACT, 11, steps, 96) for steps in (6, 7, 8, 9)]
    curve = guess_and_check_pass_at_k(COMPACT, 11, (6, 7, 8, 9), 96, np.array([1, 2, 128]))
    assert curve[0] == pytest.approx(np.mean(success))
    assert curve[1] == pytest.approx(np.mean([q + (1 - q) * q for q in success]))
    assert curve[2] > 0.99


def test_weights_keep_the_size_of_the_data_and_of_each_stratum():
    strata = (0, 1, 1, 0, 2, 1)
    weights = crossed_weights(3, strata, 50, seed=0)
    assert weights.shape == (51, 3, 6)
    assert (weights[0] == 1).all()
    for stratum in set(strata):
        mine = np.array(strata) == stratum
        assert (weights[:, :, mine].sum(axis=(1, 2)) == 3 * mine.sum()).all()
    seeds = weights.sum(axis=2) / len(strata)
    assert (seeds == seeds.round()).all()
    assert len(np.unique(seeds[1:], axis=0)) > 1
    problems = weights.sum(axis=1) / 3
    np.testing.assert_allclose(weights, seeds[:, :, None] * problems[:, None, :])


def test_one_seed_resamples_problems_only_and_its_mean_has_no_interval():
    assert (crossed_weights(1, (0,) * 10, 50, seed=0).sum(axis=(1, 2)) == 10).all()
    value, low, high = interval(seed_weights(1, 50, seed=0) @ np.array([0.3]), 0.95)
    assert value == 0.3
    assert np.isnan([low, high]).all()


def test_weights_depend_on_the_configured_seed_alone():
    first = crossed_weights(2, (0, 0, 1, 1), 20, seed=5).copy()
    problem_weights.cache_clear()
    crossed_weights(3, (0, 0, 1), 20, seed=5)
    np.testing.assert_array_equal(first, crossed_weights(2, (0, 0, 1, 1), 20, seed=5))
    assert (first != crossed_weights(2, (0, 0, 1, 1), 20, seed=6)).any()


@pytest.mark.parametrize("shared", [0.0, 1.5])
def test_intervals_cover_the_truth_about_as_often_as_they_say(shared):
    """Means over 15 seeds and 30 problems; shared: the spread of what a problem does to all."""
    rng, covered, repetitions = np.random.default_rng(0), 0, 300
    for repetition in range(repetitions):
        data = rng.normal(0, 1, size=(15, 1)) + rng.normal(0, 1, size=(15, 30))
        data += rng.normal(0, shared, size=(1, 30))
        weights = crossed_weights(15, (0,) * 30, 200, seed=repetition)
        _, low, high = interval(np.tensordot(weights, data, axes=2) / data.size, 0.9)
        covered += low <= 0 <= high
    assert 0.83 < covered / repetitions < 0.96


def test_paired_differences_do_not_have_the_variance_of_the_problems():
    rng = np.random.default_rng(0)
    before = rng.normal(0, 1, size=(3, 60))
    after = before + 0.1 + rng.normal(0, 0.01, size=before.shape)
    weights = crossed_weights(3, (0,) * 60, 500, seed=0)
    means = [np.tensordot(weights, data, axes=2) / data.size for data in (before, after)]
    _, low, high = interval(means[1] - means[0], 0.95)
    assert 0.08 < low < 0.1 < high < 0.12
    _, low, high = interval(means[1], 0.95)
    assert high - low > 0.2


def test_ratios_of_sums_have_no_interval_where_too_many_resamples_are_undefined():
    always = ratio(np.ones(101), np.ones(101))
    assert interval(always, 0.95) == (1, 1, 1)
    denominators = np.ones(101)
    denominators[1:10] = 0
    value, low, high = interval(ratio(np.ones(101), denominators), 0.95)
    assert value == 1
    assert np.isnan([low, high]).all()
    assert np.isnan(interval(ratio(np.ones(101), np.zeros(101)), 0.95)).all()
