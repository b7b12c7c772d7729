"""The benchmark: what it times, how its summary forecasts hours, what its growth fits."""

import json

import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.train.conftest import rl_settings
from workflow_scripts.cost import benchmark
from workflow_scripts.cost.benchmark_summary import RATIOS, forecast_core_hours, page, summarize
from workflow_scripts.cost.growth import BASE, exponent, measure
from workflow_scripts.cost.growth import page as growth_page


@pytest.mark.slow
def test_every_ratio_is_timed_and_in_the_summary(tiny, monkeypatch):
    monkeypatch.chdir(ROOT)
    for name, smaller in (("WARM_UP", 1), ("MEASURED", 2), ("N_SAMPLED", 128), ("REPEATS", 1)):
        monkeypatch.setattr(benchmark, name, smaller)
    output = tiny.folder / "rl_benchmark.json"
    settings = rl_settings("full", kl_coefficient=0.0)
    benchmark.write_benchmark(settings, 32, tiny.base, tiny.base, tiny.prompts, output)
    measured = json.loads(output.read_text())
    assert set(measured["seconds"]) == set(RATIOS)
    assert all(seconds > 0 for pair in measured["seconds"].values() for seconds in pair)
    record_a_job(tiny.folder)
    summary = summarize(measured, tiny.folder, table1_seconds=90.0)
    theirs, mine = measured["seconds"]["step_after_rl"]
    assert summary["step_after_rl"] == pytest.approx(theirs / mine, abs=0.01)
    assert 0.1 < summary["import_seconds"] < 60
    assert "| time to Table 1 | | 1.5 min | |" in page(measured, summary)


def record_a_job(results) -> None:
    """The files by which the seconds of an RL step are known: one run of 300 steps, 600 seconds."""
    (results / "rl/FB-s0-rl6-9").mkdir(parents=True)
    record = {"steps": 300, "device": "a core"}
    (results / "rl/FB-s0-rl6-9/run.json").write_text(json.dumps(record))
    (results / "benchmarks/rl").mkdir(parents=True)
    row = pd.DataFrame([{"s": 600.0, "cpu_time": 590.0, "max_rss": 800.0}])
    row.to_csv(results / "benchmarks/rl/FB-s0-rl6-9.tsv", sep="\t", index=False)


def test_hours_are_all_jobs_at_the_rates_of_those_that_ran(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    record_a_job(tmp_path)
    assert forecast_core_hours(tmp_path) == pytest.approx(78 * 300 * 2 / 3600)


def test_growth_is_fitted_on_logarithms():
    values = pd.Series([1.0, 2.0, 4.0])
    assert exponent(values, 3 * values**1.5) == pytest.approx(1.5)


def test_growth_has_a_row_for_each_size_and_a_line_for_each_axis():
    few = {
        "completions a step": [
            type(BASE)(completions=n, tokens=4, hidden=32, layers=1) for n in (8, 16)
        ],
        "cores": [type(BASE)(completions=8, tokens=4, hidden=32, layers=1)],
    }
    times = measure(few, repeats=1)
    assert list(times["value"]) == [8, 16, 1]
    assert (times["both"] == times["rollouts"] + times["update"]).all()
    assert (times[["rollouts", "update"]] > 0).all(axis=None)
    assert "| completions a step | 8: " in growth_page(times[:2], "a core")
