import numpy as np
import pandas as pd
import pytest
from scipy.optimize import curve_fit

from workflow_scripts.evaluate.curves import (
    TIME_TO_RISE,
    Curve,
    fit_rise,
    make_curves,
    measure_time_scales,
    risen_at,
)
from workflow_scripts.settings.statistics import Statistics

STATISTICS = Statistics(confidence=0.95)


STEPS = np.arange(1, 301)


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
    names = {"model": "FB", "stage": "RL(6-9)", "condition": "", "family": "FB"}
    return frame.assign(**names, type="evaluation")


def curves_of(training):
    return make_curves(training, STATISTICS, model="FB", stage="RL(6-9)")


def drawn(share, n=128, n_curves=200) -> Curve:
    """Curves of rollouts whose expected share is given for each step."""
    counts = np.random.default_rng(2).binomial(n, np.tile(share, (n_curves, 1))).astype(float)
    return Curve(counts, np.full_like(counts, n))


def rise(start, end, time) -> np.ndarray:
    return end + (start - end) * np.exp(-(STEPS - 1) / time)


def test_moving_mean_is_a_ratio_of_sums_over_the_steps_so_far():
    counts = np.arange(1.0, 13)[None]
    means = Curve(counts, 10 * np.ones((1, 12))).moving_means[0]
    np.testing.assert_allclose(means[:3], [0.1, 0.15, 0.2])
    np.testing.assert_allclose(means[[9, 10, 11]], [0.55, 0.65, 0.75])
    weighted = Curve(np.array([[1.0, 3]]), np.array([[10.0, 20]])).moving_means
    np.testing.assert_allclose(weighted, [[0.1, 4 / 30]])


def test_counts_are_of_the_responses_that_fit():
    training = make_training(3)
    curves = curves_of(training)
    for measure, counts in (
        (curves.fitting, training["fits"] * training["n"]),
        (curves.accuracy, training["correct"]),
        (curves.accuracy_given_fitting, training["fits"] * training["correct"]),
    ):
        expected = counts.groupby([training["seed"], training["step"]]).sum().unstack()
        np.testing.assert_array_equal(measure.numerator, expected)


def test_bands_are_t_intervals_over_seeds():
    curves = curves_of(make_training(40, seeds=range(6)))
    value, low, high = curves.band(curves.accuracy)
    pooled = curves.accuracy
    sums = Curve(pooled.numerator.sum(axis=0)[None], pooled.denominator.sum(axis=0)[None])
    np.testing.assert_allclose(value, sums.moving_means[0])
    means = curves.accuracy.moving_means
    error = means.std(axis=0, ddof=1) / np.sqrt(6)
    np.testing.assert_allclose(high - low, 2 * 2.571 * error, rtol=0.1)
    assert ((low > 0) & (low < value) & (value < high) & (high < 1)).all()


def test_one_seed_has_a_curve_and_no_band():
    curves = curves_of(make_training(40, seeds=(0,)))
    value, low, high = curves.band(curves.accuracy)
    assert np.isfinite(value).all()
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize("time", [5, 20, 100])
def test_fits_find_the_time_constant_without_bias(time):
    fit = fit_rise(STEPS, drawn(rise(0.45, 0.97, time)))
    assert np.log(fit.time / time).mean() == pytest.approx(0, abs=0.02)
    assert np.log(fit.time / time).std() < 0.15
    assert fit.start.mean() == pytest.approx(0.45, abs=0.02)
    assert fit.end.mean() == pytest.approx(0.97, abs=0.02)
    assert np.isfinite(fit.time).all()


def test_fits_are_those_of_a_general_optimizer():
    curve = drawn(rise(0.5, 0.9, 30), n_curves=5)
    fit = fit_rise(STEPS, curve)
    for index, counts in enumerate(curve.numerator):
        found, _ = curve_fit(lambda t, *p: rise(*p), STEPS, counts / 128, p0=(0.5, 0.9, 30))
        assert fit.time[index] == pytest.approx(found[2], rel=0.002)
        assert fit.start[index] == pytest.approx(found[0], abs=0.001)


@pytest.mark.parametrize(
    "share",
    [
        np.full(300, 0.6),
        np.linspace(0.9, 0.5, 300),
        rise(0.9, 0.4, 20),
        rise(0.5, 0.51, 20),
        np.zeros(300),
        np.linspace(0.1, 0.9, 300) ** 2,
    ],
    ids=["flat", "falls", "falls fast", "hardly rises", "never", "still gains speed"],
)
def test_curves_that_do_not_rise_or_do_not_end_have_no_time_constant(share):
    assert np.isnan(fit_rise(STEPS, drawn(share)).time).mean() > 0.99


def test_steps_without_responses_count_for_nothing():
    curve = drawn(rise(0.45, 0.97, 20), n_curves=3)
    curve.numerator[:, 5] = curve.denominator[:, 5] = 0
    assert np.log(fit_rise(STEPS, curve).time / 20).mean() == pytest.approx(0, abs=0.2)
    empty = Curve(np.zeros((2, 300)), np.zeros((2, 300)))
    assert np.isnan(fit_rise(STEPS, empty).time).all()


def test_a_fraction_of_the_rise_goes_from_0_to_1():
    fit = fit_rise(STEPS, drawn(rise(0.45, 0.97, 20), n=10**6, n_curves=1))
    completed = fit.completed(rise(0.45, 0.97, 20)[None])[0]
    assert completed[[0, -1]] == pytest.approx([0, 1], abs=0.01)
    assert completed[round(20 * TIME_TO_RISE)] == pytest.approx(0.9, abs=0.01)


def test_time_scales_find_fast_selection_and_slow_improvement():
    scales = measure_time_scales(curves_of(make_training(400)))
    for estimate, truth in ((scales.selection, 10), (scales.improvement, 80), (scales.ratio, 8)):
        assert estimate.ci_low < truth < estimate.ci_high
        assert estimate.value == pytest.approx(truth, rel=0.15)
        assert (estimate.n_seeds, estimate.n_samples) == (3, 400 * 400)
        assert np.isfinite(estimate.se_seeds)
    ratio = scales.improvement.value / scales.selection.value
    assert scales.ratio.value == pytest.approx(ratio)


def test_time_scales_of_one_seed_have_no_interval():
    scales = measure_time_scales(curves_of(make_training(400, seeds=(0,))))
    assert scales.ratio.value == pytest.approx(8, rel=0.3)
    assert np.isnan([scales.ratio.ci_low, scales.selection.ci_high]).all()


def test_one_seed_that_does_not_rise_leaves_the_time_scales_undefined():
    training = make_training(100)
    flat = (training["seed"] == 1) & training["fits"]
    training.loc[flat, "correct"] = training.loc[flat, "n"] // 2
    scales = measure_time_scales(curves_of(training))
    assert np.isfinite(scales.selection.value)
    assert np.isnan([scales.improvement.value, scales.ratio.value, scales.ratio.ci_low]).all()


@pytest.mark.parametrize("n_steps", [1, 2, 29])
def test_short_runs_have_curves_but_no_time_scales(n_steps):
    curves = curves_of(make_training(n_steps))
    assert curves.band(curves.accuracy).shape == (3, n_steps)
    scales = measure_time_scales(curves)
    assert np.isnan([scales.selection.value, scales.ratio.value, scales.ratio.ci_low]).all()


def test_no_curves_of_runs_that_are_not_there():
    assert make_curves(make_training(2), STATISTICS, model="F", stage="RL(6-9)") is None


def test_the_former_estimate_is_a_step_of_the_moving_mean():
    """A straight rise over 100 steps has nine tenths at step 90; the window delays it by a half."""
    share = np.interp(np.arange(300), [0, 100], [0.2, 1.0])
    rows = [
        (seed, step, fits, 10**6, 10**6 * share[step] if fits else 0)
        for seed in (0, 1)
        for step in range(300)
        for fits in (True, False)
    ]
    training = pd.DataFrame(rows, columns=["seed", "step", "fits", "n", "correct"])
    names = {"model": "FB", "stage": "RL(6-9)", "condition": "", "family": "FB"}
    selection, improvement = risen_at(curves_of(training.assign(**names, type="evaluation")))
    assert improvement.value == pytest.approx(94.5, abs=1)
    assert np.isnan(selection.value)  # the share of the fitting strategy stays at one half
    short = curves_of(make_training(20))
    assert np.isnan(risen_at(short)[1].value)
