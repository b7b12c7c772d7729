"""What a tier costs is counted from its grid, at rates that were measured, or not at all."""

import json
import re

import pytest

from tests.conftest import OTHERS, ROOT, load_tier
from workflow_scripts.cost.forecast import forecast, target_table, tell_base_models
from workflow_scripts.cost.rates import find_rates, reference_rates, seconds_of
from workflow_scripts.cost.work import Work, count_targets, count_work
from workflow_scripts.plan.products import figures, tables
from workflow_scripts.plan.study import Study
from workflow_scripts.settings.overrides import override

TIERS = ["smoke", "laptop", "gpu", "paper"]
REFERENCE = ROOT / "results/reference"


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    """Shipped base models are named by relative paths."""
    monkeypatch.chdir(ROOT)


def small(tier: str, **changes) -> Study:
    """FB of the main experiment, one seed, one RL run."""
    steps = [{"low": 6, "high": 9}]
    only_main = {f"experiments.{name}.enabled": False for name in OTHERS}
    only_fb = {"experiments.main.models": ["FB"], "experiments.main.rl_steps": steps, "seeds": [0]}
    return Study(override(load_tier(tier), {**only_main, **only_fb, **changes}))


@pytest.mark.parametrize("tier", TIERS)
def test_all_is_every_run_and_evaluation_of_the_grid_once(tier):
    study = Study(load_tier(tier))
    jobs = count_work(study)
    evaluated = {
        (m.run.name, e) for some in study.members.values() for m in some for e in m.evaluations
    }
    stages = [job.stage for job in jobs.values()]
    assert stages.count("sft") == len(study.sft_runs)
    assert stages.count("rl") == len(study.rl_runs)
    assert stages.count("rollouts") + stages.count("exact") == len(evaluated)
    assert stages.count("base") == {"smoke": 1, "laptop": 0, "gpu": 3, "paper": 0}[tier]
    targets = count_targets(study, jobs)
    assert targets.pop("all") == set(jobs) == set().union(*targets.values())
    shown = [*tables(study), *figures(study)]
    assert len(targets) == len(shown) + len(study.members)


@pytest.mark.parametrize("tier", TIERS)
def test_a_target_has_all_that_its_jobs_wait_for(tier):
    study = Study(load_tier(tier))
    jobs = count_work(study)
    for target, names in count_targets(study, jobs).items():
        assert {jobs[name].after for name in names} - {None} <= names, target
        assert names, target


def test_runs_that_experiments_share_count_once_in_all():
    study = Study(load_tier("paper"))
    jobs = count_work(study)
    table = target_table(count_targets(study, jobs), jobs, {}, "GPU").set_index("target")
    experiments = table.loc[list(study.members)]
    assert table.loc["all", "RL runs"] == len(study.rl_runs) < experiments["RL runs"].sum()
    assert table.loc["all", "rollouts"] < experiments["rollouts"].sum()
    assert table.loc["main", "SFT steps"] == 9 * 20 * 2048 // 16
    assert table.loc["fig_selection_first_seed", "RL runs"] == 1


def test_hours_are_work_at_the_rates_of_the_check_on_a_gpu(tmp_path):
    study = small("paper")
    measured = {
        "device": "a chip",
        "sft": {"seconds_per_step": 2.0},
        "rl": {"seconds_per_step": 30.0},
        "rollouts": {"seconds_per_rollout": 0.5},
    }
    (tmp_path / "gpu").mkdir()
    (tmp_path / "gpu/rates.json").write_text(json.dumps({"paper": measured}))
    jobs = count_work(study)
    rates = find_rates("paper", tmp_path, jobs)
    seconds = {name: seconds_of(job, rates) for name, job in jobs.items()}
    assert seconds["FB-s0"] == 2 * 2560
    assert seconds["FB-s0-rl6-9"] == 30 * 500
    assert seconds["FB-s0/steps"] == 1024 * 4 * 0.5
    assert seconds["FB-s0-rl6-9/checkpoints"] == 6 * 1024 * 0.5, "at most"
    table = target_table(count_targets(study, jobs), jobs, rates, "GPU").set_index("target")
    assert table.loc["main", "GPU hours"] == f"{sum(seconds.values()) / 3600:.2f}"
    after = max(seconds[f"FB-s0-rl6-9/{name}"] for name in ("steps", "pass_at_k", "checkpoints"))
    chain = seconds["FB-s0"] + seconds["FB-s0-rl6-9"] + after
    assert table.loc["main", "wall hours on 16"] == f"{chain / 3600:.2f}", "no job is split"
    page = forecast(study.settings, tmp_path)
    assert "gpu/rates.json, a chip, responses at the limit" in page
    assert "not measured" not in page
    assert "not measured" in forecast(small("gpu").settings, tmp_path), "measured for paper alone"


def test_without_rates_there_are_counts_and_no_hours(tmp_path):
    page = forecast(load_tier("paper"), tmp_path)
    assert "| paper |" not in page
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells and cells[0] in ("sft", "rl", "rollouts steps"):
            assert cells[-2:] == ["not measured", "not measured"]
        if cells and cells[0] in ("table1", "main", "all"):
            assert cells[-3:] == ["not measured"] * 3
            assert int(cells[5]) > 1_000_000


def test_base_models_that_are_not_shipped_are_told_with_their_recorded_time(tmp_path):
    told = tell_base_models(small("laptop", **{"task.field_size": 7}))
    assert re.fullmatch(
        r"No base model is shipped for gf7: the study trains those that it needs, in "
        r"results/laptop/base; each takes 4000 steps, about 1\d\.\d minutes \(median of 3 .*\)",
        told,
    )
    other = tell_base_models(small("laptop", **{"task.field_size": 7, "base.layers": 2}), tmp_path)
    assert other.endswith("each takes 4000 steps, not measured")
    assert tell_base_models(small("laptop")) is None


def test_the_size_of_every_evaluation_is_shown():
    changes = {"sampling.pass_at_k": {"n_problems": 512, "n_samples": 128}}
    study = small("paper", **changes)
    assert count_work(study)["FB-s0/pass_at_k"].rollouts == 65_536
    page = forecast(study.settings, REFERENCE)
    assert re.search(r"rollouts pass_at_k +\| +2 \| 512 problems x 128 samples", page)


@pytest.mark.parametrize("tier", ["smoke", "laptop"])
def test_a_tier_in_the_reference_has_rates(tier):
    rates = reference_rates(REFERENCE / tier, count_work(Study(load_tier(tier))))
    assert {("sft", ""), ("rl", "")} <= set(rates)
    assert all(rate.seconds > 0 for rate in rates.values())
    assert f"results/reference/{tier}/cost.csv" in forecast(load_tier(tier))


def test_the_reference_rate_of_training_is_a_median_by_the_step(tmp_path):
    rows = ["stage,job,wall_seconds,cpu_seconds,peak_mib"]
    for job, seconds, steps in (("a", 10, 10), ("b", 60, 20), ("c", 100, 50)):
        (tmp_path / "sft" / job).mkdir(parents=True)
        record = {"steps": steps, "device": "a core"}
        (tmp_path / "sft" / job / "run.json").write_text(json.dumps(record))
        rows.append(f"sft,{job},{seconds},1,1")
    rows += [
        "rollouts,a-pass_at_k,7,1,1",
        "rollouts,b-pass_at_k,9,1,1",
        "rollouts,gone-steps,5,1,1",
        "claims,claims,4,1,1",
    ]
    (tmp_path / "cost.csv").write_text("\n".join(rows))
    jobs = {f"{run}/pass_at_k": Work("rollouts", "pass_at_k", rollouts=2) for run in ("a", "b")}
    rates = reference_rates(tmp_path, jobs)
    assert set(rates) == {("sft", ""), ("rollouts", "pass_at_k"), ("rollouts", "")}
    assert (rates["sft", ""].seconds, rates["sft", ""].unit) == (2, "step")
    assert (rates["rollouts", "pass_at_k"].seconds, rates["rollouts", "pass_at_k"].unit) == (
        8,
        "job",
    )
    other = rates["rollouts", ""]  # of an evaluation that was not measured
    assert (other.seconds, other.unit) == (4, "rollout")
    assert rates["sft", ""].source == f"median of 3 in {tmp_path / 'cost.csv'}, a core"


def test_disk_is_that_of_adapters_where_adapters_are_trained():
    study = small("paper")
    jobs = count_work(study)
    adapter = 4 * 73_859_072  # rank 64 in all linear layers of 1.5 B parameters, float32
    assert jobs["FB-s0"].disk == adapter
    assert jobs["FB-s0-rl6-9"].disk == 7 * adapter, "the model and six scored checkpoints"
