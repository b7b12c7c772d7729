"""The page of rollouts, of recorded results and of rollouts as a study leaves them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, load_tier
from workflow_scripts.evaluate.label import label_rollouts
from workflow_scripts.operate import rollouts as module
from workflow_scripts.operate.report import write_report
from workflow_scripts.operate.report_content import Source
from workflow_scripts.operate.rollouts import collect_rollouts
from workflow_scripts.operate.verify import jobs_of
from workflow_scripts.plan.plan import Plan
from workflow_scripts.plan.study import Study
from workflow_scripts.report.response_lines import RIGHT_ANSWER
from workflow_scripts.report.rollouts_page import render_rollouts, to_data
from workflow_scripts.task.datasets import make_validation, read_dataset
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.solutions import write_fitting_solution
from workflow_scripts.task.text import COMPACT

RECORDED = ROOT / "results/reference/laptop"


def recorded(folder: Path, *targets: str) -> Source:
    plan = Plan(Study(load_tier("laptop")))
    return Source(plan, folder, frozenset(jobs_of(plan, targets or ["all"])), recorded=True)


def test_recorded_responses_are_all_shown_with_their_labels():
    frame = pd.read_csv(RECORDED / "rollouts.csv", keep_default_na=False)
    shown = collect_rollouts(recorded(RECORDED))
    assert shown.n_responses == len(frame)
    assert f"{len(frame):,} of " in shown.drawn
    for run, of_run in frame.groupby("run"):
        responses = shown.responses[run]
        assert [each.is_right for each in responses] == list(of_run["reward"] == 1)
        assert [each.label.mistake for each in responses] == list(of_run["mistake"])
        prompts = [shown.problems[each.problem].prompt for each in responses]
        assert prompts == list(of_run["prompt"])
    stages = {lineage.model: [each.name for each in lineage.stages] for lineage in shown.lineages}
    assert stages["FB"] == ["SFT", "RL(2-5)", "RL(6-9)"]
    assert list(shown.titles) == ["main"]


def test_targets_without_rollouts_show_none():
    assert collect_rollouts(recorded(RECORDED, "fig_selection")) is None


def test_without_rollouts_no_page_is_left(tmp_path):
    (tmp_path / "rollouts.html").write_text("of an earlier report")
    report = write_report(recorded(tmp_path))
    assert "rollouts.html" not in report.read_text()
    assert not (tmp_path / "rollouts.html").exists()


def sampled_rollouts(rows: list[dict], seed: int) -> pd.DataFrame:
    """Two right responses to each problem."""
    problems = {row["id"]: Problem.from_json(row["problem"]) for row in rows}
    return pd.DataFrame(
        [
            {
                "checkpoint": 0,
                "problem": id,
                "sample": sample,
                "text": write_fitting_solution(COMPACT, problem),
                "complete": True,
                "reward": 1.0,
                "length": 9,
                "seed": seed,
            }
            for id, problem in problems.items()
            for sample in range(2)
        ]
    )


@pytest.fixture
def finished(tmp_path, monkeypatch) -> Source:
    """Rollouts and labels of the smoke tier's main experiment, with two seeds."""
    monkeypatch.chdir(tmp_path)
    study = Study(load_tier("smoke").model_copy(update={"seeds": [0, 1]}))
    plan = Plan(study)
    runs = {member.run.name: member.run for member in study.members["main"]}
    first = next(iter(runs.values()))
    path = Path(study.problems_file(first, "steps"))
    mix = study.validation_kinds["steps"]
    make_validation(study.settings.task, mix, 32, path.with_name("dev.jsonl"), path)
    rows = read_dataset(path)
    problems = {row["id"]: Problem.from_json(row["problem"]) for row in rows}
    for run in runs.values():
        rollouts = sampled_rollouts(rows, run.seed)
        files = {
            study.evaluation_file(run, "steps"): rollouts,
            study.labels_file(run, "steps"): label_rollouts(rollouts, problems),
        }
        for file, frame in files.items():
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            frame.to_parquet(file)
    jobs = frozenset(jobs_of(plan, ["table1"]))
    return Source(plan, Path(study.results), jobs, recorded=False)


def test_a_finished_study_is_sampled_as_recorded_results_are(finished):
    shown = collect_rollouts(finished)
    assert list(shown.titles) == ["main"]
    assert {lineage.seed for lineage in shown.lineages} == {0, 1}
    # 2 of the 4 samples planned for each of 32 problems were drawn here; one is shown of each.
    assert shown.n_responses == 18 * 32
    assert "576 of 2,304 sampled responses: of each run of seeds 0, 1," in shown.drawn
    assert all(response.is_right for each in shown.responses.values() for response in each)


def test_seeds_that_the_page_has_no_room_for_are_left_out(finished, monkeypatch):
    monkeypatch.setattr(module, "CHARACTERS", 1)
    shown = collect_rollouts(finished)
    assert {lineage.seed for lineage in shown.lineages} == {0}
    assert "of each run of seed 0," in shown.drawn


def data_of(html: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    return json.loads(found.group(1))


def test_the_data_on_the_page_are_whole():
    shown = collect_rollouts(recorded(RECORDED))
    problem = shown.problems[0]._replace(prompt="</script><b>&amp;")
    html = render_rollouts(replace(shown, problems=[problem, *shown.problems[1:]]))
    assert html.count("</script>") == 2
    data = data_of(html)
    assert data["problems"][0][3] == "</script><b>&amp;"
    expected = json.loads(json.dumps(to_data(shown)))
    assert data["responses"] == expected["responses"]
    line = data["responses"]["FB-s10"][0][1][-1]
    assert data["marks"][ord(line[0]) - ord("a")] == RIGHT_ANSWER
    assert not re.findall(r"https?://", html)
