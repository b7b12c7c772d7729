import numpy as np
import pandas as pd
import pytest

from workflow_scripts.evaluate.curves import (
    fraction_of_rise,
    make_curves,
    measure_time_scales,
    moving_mean,
    risen_at,
)
from workflow_scripts.settings.statistics import Statistics

STATISTICS = Statistics(bootstrap_resamples=200, confidence=0.95, seed=0)


def make_training(n_steps, seeds=(0, 1, 2), n=400, selection=10, improvement=80):
    """FB's rollouts: exponential rises of the fitting share and of accuracy given it."""
    rng, rows = np.random.default_rng(1), []
    for seed in seeds:
        for step in range(n_steps):
            fitting = rng.binomial(n, 1 - 0.5 * np.exp(-step / selection))
            right = rng.binomial(fitting, 1 - 0.7 * np.exp(-step / improvement))
            for fits, count, correct in (
                (True, fitting, right),
                (False, n - fitting, (n - fitting) // 10),
            ):
                rows.append((seed, step, fits, count, correct))
    frame = pd.DataFrame(rows, columns=["seed", "step", "fits", "n", "correct"])
    return frame.assign(model="FB", stage="RL(6-9)", condition="", type="evaluation")


def curves_of(training):
    return make_curves(training, STATISTICS, model="FB", stage="RL(6-9)")


def test_moving_mean_is_a_ratio_of_sums_over_the_steps_so_far():
    numerator, denominator = np.array([[1.0, 2, 3, 4]]), np.array([[10.0, 10, 20, 20]])
    np.testing.assert_allclose(
        moving_mean(numerator, denominator, window=2), [[0.1, 0.15, 5 / 30, 7 / 40]]
    )


def test_counts_are_of_the_responses_that_fit():
    training = make_training(3)
    curves = curves_of(training)
    fitting = training[training["fits"]].groupby("step")[["n", "correct"]].sum()
    np.testing.assert_array_equal(curves.fitting[0][0], fitting["n"])
    np.testing.assert_array_equal(curves.accuracy_given_fitting[0][0], fitting["correct"])
    np.testing.assert_array_equal(curves.accuracy[0][0], training.groupby("step")["correct"].sum())


def test_known_curve_has_risen_at_the_known_step():
    steps = np.arange(200)
    level = np.minimum(steps / 100, 1)[None]  # 90 % at step 90, its moving mean 4.5 steps later
    assert risen_at(steps, fraction_of_rise(level, np.ones_like(level))) == [95]


@pytest.mark.parametrize("seeds", [(0, 1, 2), (0,)])
def test_time_scales_find_fast_selection_and_slow_improvement(seeds):
    scales = measure_time_scales(curves_of(make_training(400, seeds)))
    for estimate, low, high in (
        (scales.selection, 20, 35),  # 90 % of an exponential rise at 2.3 of its time
        (scales.improvement, 150, 210),
        (scales.ratio, 5, 9),
    ):
        assert low < estimate.value < high
        assert estimate.ci_low <= estimate.ci_high
        assert low * 0.8 < estimate.ci_low
        assert estimate.ci_high < high * 1.2
        assert estimate.n_seeds == len(seeds)


@pytest.mark.parametrize("n_steps", [1, 2, 29])
def test_short_runs_have_curves_but_no_time_scales(n_steps):
    curves = curves_of(make_training(n_steps))
    assert curves.band(moving_mean(*curves.accuracy)).shape == (3, n_steps)
    scales = measure_time_scales(curves)
    assert np.isnan([scales.selection.value, scales.ratio.value, scales.ratio.ci_low]).all()


def test_curve_that_falls_has_not_risen():
    falling = np.linspace(1, 0, 100)[None]
    assert np.isnan(risen_at(np.arange(100), fraction_of_rise(falling, np.ones_like(falling))))


def test_no_curves_of_runs_that_are_not_there():
    assert make_curves(make_training(2), STATISTICS, model="F", stage="RL(6-9)") is None
