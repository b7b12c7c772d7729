import numpy as np
import pandas as pd
import pytest

from tests.conftest import run_stage
from tests.report.synthetic import SMOKE, World, make_scores, make_settings
from workflow_scripts.common.errors import StudyError
from workflow_scripts.evaluate.metrics import Scores, Subset, tabulate, with_shared_seeds
from workflow_scripts.plan.study import Study
from workflow_scripts.settings.values import Range

SETTINGS = make_settings(seeds=[0, 1], rl__scored_steps=[20, 100])


@pytest.fixture(scope="module")
def frame():
    return make_scores(SETTINGS, "main", World(), per_stratum=4, samples=4)


@pytest.fixture(scope="module")
def scores(frame):
    return Scores(frame, SETTINGS.statistics)


def rows_of(frame, **where):
    for key, value in where.items():
        frame = frame[frame[key] == value]
    return frame


def test_estimates_are_the_ratios_of_sums_of_the_rows(frame, scores):
    group = scores.group("FB", "SFT")
    rows = rows_of(frame, model="FB", stage="SFT", evaluation="steps", type="inversion")
    rows = rows[rows["steps"].between(6, 9)]
    hard = Range(low=6, high=9)
    for measure, numerator, denominator in (
        ("pass@1", "correct", "n"),
        ("share_backward", "backward", "n"),
        ("share_guessing", "guessing", "n"),
        ("accuracy_given_fitting", "correct_fitting", "fitting"),
        ("mistake_lookup_given_fitting", "mistake_lookup", "fitting"),
    ):
        estimate = group.estimate(measure, Subset("inversion", hard))
        expected = rows[numerator].sum() / rows[denominator].sum()
        assert estimate.value == pytest.approx(expected)
        assert estimate.ci_low < estimate.value < estimate.ci_high
        assert (estimate.n_problems, estimate.n_seeds, estimate.n_samples) == (16, 2, 4)


def test_all_types_are_balanced_whatever_the_validation_set_holds(frame):
    extra = rows_of(frame, type="evaluation", steps=6)
    doubled = pd.concat([frame, extra.assign(problem=extra["problem"] + 1000)])
    group = Scores(doubled, SETTINGS.statistics).group("F", "RL(6-9)")

    def value(on):
        return group.statistic("pass@1", on).value

    types = [value(Subset(type)) for type in ("evaluation", "inversion")]
    assert value(Subset()) == pytest.approx(np.mean(types))
    shares = {"evaluation": 0.9, "inversion": 0.1}
    assert value(Subset(mix=shares)) == pytest.approx(np.dot(types, [0.9, 0.1]))


def errors(statistic):
    return np.sqrt([statistic.variances.seeds, statistic.variances.problems])


def test_groups_are_paired_by_seed_within_a_family_alone(frame):
    copy = rows_of(frame, model="F", stage="SFT", evaluation="steps")
    again, other = copy.assign(stage="again"), copy.assign(stage="other", family="another")
    scores = Scores(pd.concat([frame, again, other]), SETTINGS.statistics)
    first, again, other = (
        scores.group("F", stage).statistic("pass@1") for stage in ("SFT", "again", "other")
    )
    np.testing.assert_allclose(errors(first - again), 0, atol=1e-12)
    assert errors(first)[0] > 0
    assert errors(first - other)[0] == pytest.approx(np.sqrt(2) * errors(first)[0])
    assert errors(first - other)[1] == pytest.approx(0, abs=1e-12)


def test_groups_of_one_family_are_compared_on_the_seeds_that_they_share(frame):
    extra = rows_of(frame, model="FB", stage="RL(6-9)", evaluation="steps", seed=0).assign(seed=2)
    scores = Scores(pd.concat([frame, extra]), SETTINGS.statistics)
    after, before, other = (
        scores.group(*run) for run in (("FB", "RL(6-9)"), ("FB", "SFT"), ("F", "SFT"))
    )
    assert after.seeds == (0, 1, 2)
    assert [group.seeds for group in with_shared_seeds([after, before, other])] == [(0, 1)] * 3
    assert [group.seeds for group in with_shared_seeds([after, other])] == [(0, 1, 2), (0, 1)]
    alone = Scores(frame, SETTINGS.statistics).group("FB", "RL(6-9)")
    np.testing.assert_array_equal(after.of_seeds((0, 1)).counts, alone.counts)
    with pytest.raises(StudyError, match="share no seed"):
        with_shared_seeds([after.of_seeds((2,)), before])


def test_the_bound_of_a_rate_of_one_counts_the_problems_that_have_data(frame):
    """Of 64 problems of F on 6-9 steps, only 3 evaluation problems have a fitting response."""
    runs = rows_of(frame, model="F", stage="SFT", evaluation="steps").copy()
    runs[["fitting", "correct_fitting"]] = 0
    few = (runs["type"] == "evaluation") & runs["problem"].isin(runs["problem"].unique()[:3])
    runs.loc[few, ["fitting", "correct_fitting"]] = 2
    group = Scores(runs, SETTINGS.statistics).group("F", "SFT")
    given, share = (group.estimate(m) for m in ("accuracy_given_fitting", "complete"))
    assert given.value == share.value == 1
    assert given.ci_low**3 == pytest.approx(0.05)
    assert share.ci_low ** len(runs["problem"].unique()) == pytest.approx(0.05)


def test_means_that_are_no_rates_have_intervals_too(scores):
    words = scores.group("FB", "SFT").estimate("words")
    assert 1 < words.ci_low < words.value < words.ci_high


def test_one_problem_of_one_seed_has_no_interval():
    frame = make_scores(SMOKE, "main", World(), per_stratum=1, samples=2)
    estimate = Scores(frame, SMOKE.statistics).group("FB", "SFT").estimate("pass@1")
    assert np.isfinite(estimate.value)
    assert np.isnan([estimate.ci_low, estimate.ci_high]).all()


def test_compositions_are_measured_by_their_parts():
    frame = make_scores(SETTINGS, "composition", World(), per_stratum=4, samples=4)
    table = tabulate(Scores(frame, SETTINGS.statistics), Study(SETTINGS).spans)
    assert set(table["parts"]) == {"1", "2", "3", "4", "5", "6", "1-6"}
    assert set(table["steps"]) == {""}
    chosen = {"model": "pairs", "stage": "SFT", "measure": "pass@1"}
    value = rows_of(table, **chosen, parts="2")["value"].item()
    rows = rows_of(frame, model="pairs", stage="SFT", parts=2)
    assert value == pytest.approx(rows["correct"].sum() / rows["n"].sum())


def test_tidy_estimates_name_every_group_measure_and_range(scores):
    table = tabulate(scores, Study(SETTINGS).spans)
    names = [
        *("model", "stage", "condition", "checkpoint", "evaluation", "type", "steps", "parts"),
        *("measure", "value", "ci_low", "ci_high", "n_problems", "n_seeds", "n_samples"),
        *("se_seeds", "se_problems"),
    ]
    assert table.columns.tolist() == names
    assert {"2-9", "2-5", "6-9", "2", "9"} <= set(table["steps"])
    assert {"all", "evaluation", "inversion"} == set(table["type"])
    assert {"pass@1", "pass@16", "share_fitting", "accuracy_given_fitting"} <= set(table["measure"])
    assert {"verified", "verified@16", "share_guessing"} <= set(table["measure"])
    assert not table.duplicated(table.columns[:9].tolist()).any()
    assert set(rows_of(table, evaluation="checkpoints")["checkpoint"]) == {20, 100}


def test_verified_pass_at_k_counts_verified_samples_alone(frame):
    verified = frame.assign(correct=frame["n"], verified=frame["correct"])
    truth = Scores(frame, SETTINGS.statistics).group("FB", "SFT")
    group = Scores(verified, SETTINGS.statistics).group("FB", "SFT")
    for measure, other in zip(group.verified_measures, truth.pass_measures, strict=True):
        assert group.estimate(measure) == truth.estimate(other)
    assert group.estimate("pass@2").value == 1
    assert group.estimate("verified@1").value == pytest.approx(group.estimate("verified").value)


def test_incomplete_scores_are_refused(frame):
    row = rows_of(frame, model="F", stage="SFT", evaluation="steps").index[3]
    incomplete = Scores(frame.drop(row), SETTINGS.statistics)
    with pytest.raises(StudyError, match="same problems"):
        incomplete.group("F", "SFT")


def run_metrics(scores, output):
    arguments = {
        "statistics": SMOKE.statistics.model_dump(),
        "spans": [{"low": 2, "high": 5}, {"low": 6, "high": 9}, {"low": 6, "high": 15}],
        "scores": [scores],
        "output": output,
    }
    return run_stage("evaluate.metrics:make_metrics", arguments, scores.parent)


def test_program_writes_a_table_or_says_which_file_is_damaged(tmp_path):
    scores, output = tmp_path / "scores.parquet", tmp_path / "metrics" / "main.csv"
    make_scores(SMOKE, "main", World(), per_stratum=1, samples=2).to_parquet(scores)
    done = run_metrics(scores, output)
    assert done.returncode == 0, done.stderr
    assert "pass@2" in set(pd.read_csv(output)["measure"])
    output.unlink()
    scores.write_bytes(scores.read_bytes()[:-100])
    failed = run_metrics(scores, output)
    assert failed.returncode != 0
    assert len(failed.stderr.splitlines()) == 1
    assert str(scores) in failed.stderr
    assert "run snakemake again, which makes it anew" in failed.stderr
    assert list(output.parent.iterdir()) == []


def test_exact_measures_are_means_over_problems_of_what_one_or_k_samples_give(frame, scores):
    group = scores.group("FB", "SFT", evaluation="exact")
    rows = rows_of(frame, model="FB", stage="SFT", evaluation="exact", type="inversion")
    on, verified = Subset("inversion"), rows["selection at 0.7"] * rows["execution at 0.7"]
    for measure, expected in (
        ("execution at 0.2", rows["execution at 0.2"]),
        ("verified at 0.7", verified),
        ("verified@16 at 0.7", 1 - (1 - verified) ** 16),
        ("selection@128 at 1.0", 1 - (1 - rows["selection at 1.0"]) ** 128),
    ):
        estimate = group.estimate(measure, on)
        assert estimate.value == pytest.approx(expected.mean())
        assert (estimate.n_problems, estimate.n_seeds, estimate.n_samples) == (32, 2, 0)
    assert "verified@128 at 1.0" in group.tabulated
    assert "verified@2 at 1.0" not in group.tabulated, "only in figures"
    assert scores.group("FB", "RL(6-9)", evaluation="checkpoints", checkpoint=20).columns == [
        "selection at 1.0",
        "execution at 1.0",
        "verified at 1.0",
        *(f"{name}@{2**i} at 1.0" for name in ("selection", "verified") for i in range(1, 11)),
        "problems",
    ], "the temperature of sampling alone"
