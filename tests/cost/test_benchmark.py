"""The benchmark: what it times, how its summary forecasts hours, what its growth fits."""

import json
import shutil

import pandas as pd
import pytest

from tests.conftest import ROOT, load_tier
from tests.train.conftest import rl_settings
from workflow_scripts.common.errors import StudyError
from workflow_scripts.cost import benchmark
from workflow_scripts.cost.benchmark_summary import RATIOS, forecast_core_hours, page, summarize
from workflow_scripts.cost.growth import Size, exponent, measure
from workflow_scripts.cost.growth import page as growth_page
from workflow_scripts.cost.work import count_work
from workflow_scripts.plan.study import Study


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
    record_jobs(tiny.folder)
    summary = summarize(measured, tiny.folder, table1_seconds=90.0)
    theirs, mine = measured["seconds"]["step_after_rl"]
    assert summary["step_after_rl"] == pytest.approx(theirs / mine, abs=0.01)
    assert 0.1 < summary["import_seconds"] < 60
    assert "| time to Table 1 | | 1.5 min | |" in page(measured, summary)


def record(results, job: str, seconds: float, steps: int = 0) -> None:
    """The files by which the seconds of a job are known, and of a run its steps."""
    benchmark = results / f"benchmarks/{job}.tsv"
    benchmark.parent.mkdir(parents=True, exist_ok=True)
    row = pd.DataFrame([{"s": seconds, "cpu_time": seconds, "max_rss": 800.0}])
    row.to_csv(benchmark, sep="\t", index=False)
    if steps:
        (results / job).mkdir(parents=True)
        run = {"steps": steps, "device": "a core"}
        (results / job / "run.json").write_text(json.dumps(run))


def record_jobs(results) -> None:
    """2 s an RL step, 0.1 s an SFT step, 0.01 s a rollout, 0.001 s a solution scored exactly."""
    record(results, "rl/FB-s10-rl6-9", 600.0, steps=300)
    record(results, "sft/FB-s10", 51.2, steps=512)
    record(results, "rollouts/FB-s10-steps", 40.96)
    record(results, "exact/FB-s10-exact", 3.072)


def test_hours_are_all_jobs_at_the_rates_of_those_that_ran(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    record(tmp_path, "rl/FB-s10-rl6-9", 600.0, steps=300)
    with pytest.raises(StudyError, match="no measured job of exact, rollouts, sft"):
        forecast_core_hours(tmp_path)
    shutil.rmtree(tmp_path / "rl")
    record_jobs(tmp_path)
    jobs = count_work(Study(load_tier("laptop"))).values()
    units = {"rl": "steps", "sft": "steps", "rollouts": "rollouts", "exact": "rollouts"}
    work = {s: sum(getattr(j, units[s]) for j in jobs if j.stage == s) for s in units}
    rates = {"rl": 2, "sft": 0.1, "rollouts": 0.01, "exact": 0.001}
    seconds = sum(work[stage] * rate for stage, rate in rates.items())
    assert forecast_core_hours(tmp_path) == pytest.approx(seconds / 3600)


def test_growth_is_fitted_on_logarithms():
    values = pd.Series([1.0, 2.0, 4.0])
    assert exponent(values, 3 * values**1.5) == pytest.approx(1.5)


def test_growth_has_a_row_for_each_size_and_a_line_for_each_axis():
    few = {
        "completions a step": [Size(completions=n, tokens=4, hidden=32, layers=1) for n in (8, 16)],
        "cores": [Size(completions=8, tokens=4, hidden=32, layers=1)],
    }
    times = measure(few, repeats=1)
    assert list(times["value"]) == [8, 16, 1]
    assert (times["both"] == times["rollouts"] + times["update"]).all()
    assert (times[["rollouts", "update"]] > 0).all(axis=None)
    assert "| completions a step | 8: " in growth_page(times[:2], "a core")


def test_the_page_of_figures_tells_what_is_recorded():
    recorded = json.loads((ROOT / "results/reference/laptop/benchmark.json").read_text())
    page_of_figures = (ROOT / "docs/figures.md").read_text()
    assert recorded["device"] in page_of_figures
    for name, called in RATIOS.items():
        assert f"| {called} | {recorded[name]:.1f} |" in page_of_figures
    assert (
        f"| imports of a job that samples | {recorded['import_seconds']:.1f} s |" in page_of_figures
    )
    assert (
        f"| time to Table 1 | {recorded['time_to_table1_seconds'] / 60:.0f} min |"
        in page_of_figures
    )
    assert f"| whole tier, forecast | {recorded['core_hours']:.1f} core hours |" in page_of_figures
    growth = pd.read_csv(ROOT / "results/reference/laptop/growth.csv")
    page = (ROOT / "results/reference/laptop/growth.md").read_text()
    assert page == growth_page(growth, recorded["device"])
