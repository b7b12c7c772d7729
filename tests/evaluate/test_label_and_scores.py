"""Rollouts become labels, and labels become counts for each problem."""

import json
from dataclasses import replace
from random import Random

import pandas as pd
import pytest

from tests.task.conftest import TASK
from workflow_scripts.common.errors import StudyError
from workflow_scripts.evaluate.collect import (
    RlTraining,
    RunName,
    SampledRun,
    SftValidation,
    collect_provenance,
    collect_scores,
    collect_sft,
    collect_training,
    count_rollouts,
)
from workflow_scripts.evaluate.label import label_rollouts, make_labels
from workflow_scripts.evaluate.sample import stratified_subset
from workflow_scripts.evaluate.storage import read_table, write_whole, writer
from workflow_scripts.task.datasets import draw_validation, write_dataset
from workflow_scripts.task.mixes import Singles
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.task.solutions import STRATEGIES, write_solution
from workflow_scripts.task.text import FORMS


@pytest.fixture(params=FORMS)
def form_name(request) -> str:
    return request.param


@pytest.fixture
def records(form_name):
    return draw_validation(replace(TASK, text=form_name), Singles((2, 3, 4)), 12)["final"]


@pytest.fixture
def rollouts(form_name, records):
    """Of each problem: a forward and a backward solution, a wrong answer, and one cut off."""
    form, rng, rows = FORMS[form_name], Random(0), []
    for record in records:
        problem = Problem.from_json(record["problem"])
        forward, backward = (write_solution(form, problem, s, rng, 96) for s in STRATEGIES)
        wrong = forward.rsplit(" ", 1)[0] + " e99"
        for sample, (text, complete) in enumerate(
            [(forward, True), (backward, True), (wrong, True), (forward, False)]
        ):
            rows.append(
                {
                    "checkpoint": 5,
                    "problem": record["id"],
                    "sample": sample,
                    "text": text,
                    "complete": complete,
                    "reward": outcome_reward(problem, text, complete),
                    "length": len(text.split()),
                    "seed": 1,
                }
            )
    return pd.DataFrame(rows)


def problems_of(records):
    return {record["id"]: Problem.from_json(record["problem"]) for record in records}


def test_labels_are_those_of_the_texts(records, rollouts):
    labels = label_rollouts(rollouts, problems_of(records))
    assert list(labels["strategy"].astype(str)) == [
        "forward",
        "backward",
        "forward",
        "forward",
    ] * len(records)
    assert (labels["words"] > 10).all()


def test_counts_add_up_for_each_problem(records, rollouts):
    labels = label_rollouts(rollouts, problems_of(records))
    counts = count_rollouts(rollouts, labels, records)
    assert len(counts) == len(records)
    assert (counts["checkpoint"] == 5).all()
    assert (counts[["n", "correct", "complete"]] == [4, 2, 3]).all().all()
    assert (counts[["forward", "backward", "mixed", "none"]] == [3, 1, 0, 0]).all().all()
    evaluation = counts["type"] == "evaluation"
    assert (counts.loc[evaluation, ["fitting", "correct_fitting"]] == [3, 1]).all().all()
    assert (counts.loc[~evaluation, ["fitting", "correct_fitting"]] == [1, 1]).all().all()


def test_an_experiment_is_collected_with_the_names_of_its_members(records, rollouts, tmp_path):
    write_dataset(tmp_path / "problems.jsonl", {}, records)
    rollouts.to_parquet(tmp_path / "rollouts.parquet")
    label_rollouts(rollouts, problems_of(records)).to_parquet(tmp_path / "labels.parquet")
    validation = {
        "heldout-dev-FB": {"cross_entropy": 0.4, "n_tokens": 9},
        "heldout-final-FB": {"cross_entropy": 0.5, "n_tokens": 9},
    }
    (tmp_path / "run.json").write_text(json.dumps({"validation": validation}))
    columns = "step,type,steps,parts,strategy,n,correct,complete,words\n"
    (tmp_path / "rollouts.csv").write_text(columns + "1,evaluation,2,1,forward,4,2,3,50\n")
    files = [tmp_path / name for name in ("rollouts.parquet", "labels.parquet", "problems.jsonl")]
    sft = RunName("FB", "SFT", "", 3, "FB", "FB-s3")
    rl = RunName("FB", "RL(2-5)", "", 3, "FB", "FB-s3-rl2-5")
    scores = collect_scores([SampledRun(sft, *files), SampledRun(rl, *files)], "steps")
    assert list(scores["run"].unique()) == ["FB-s3", "FB-s3-rl2-5"]
    assert (scores["evaluation"] == "steps").all()
    training = collect_training([RlTraining(rl, tmp_path / "rollouts.csv")])
    assert training.loc[0, ["stage", "step", "correct"]].tolist() == ["RL(2-5)", 1, 2]
    validation = collect_sft([SftValidation(sft, tmp_path / "run.json", "heldout-final-FB")])
    assert validation.loc[0, ["run", "cross_entropy"]].tolist() == ["FB-s3", 0.5]


def test_provenance_names_code_and_commits(tmp_path):
    records = []
    for name, stage, commit in (("a", "sft", "1"), ("b", "sft", "2"), ("c", "sample", "2")):
        records.append(tmp_path / f"{name}.json")
        made = {"stage": stage, "code_hash": f"{stage} code", "commit": commit}
        records[-1].write_text(json.dumps(made))
    assert collect_provenance(records) == {
        "sft": {"code_hash": "sft code", "commits": ["1", "2"], "n": 2},
        "sample": {"code_hash": "sample code", "commits": ["2"], "n": 1},
    }


@pytest.mark.parametrize(
    ("column", "value"), [("reward", 1.0), ("complete", True), ("text", "ans e99")]
)
def test_a_reward_that_its_text_does_not_earn_is_refused(
    records, rollouts, tmp_path, column, value
):
    """It was altered since it was sampled."""
    altered = rollouts.copy()
    altered.loc[3 if column != "text" else 0, column] = value
    altered.to_parquet(tmp_path / "rollouts.parquet")
    write_dataset(tmp_path / "problems.jsonl", {}, records)
    files = (tmp_path / "rollouts.parquet", tmp_path / "problems.jsonl")
    with pytest.raises(StudyError, match="is not that of its text"):
        make_labels(*files, tmp_path / "labels.parquet")
    assert not (tmp_path / "labels.parquet").exists()


def test_a_flipped_bit_in_a_table_is_noticed(rollouts, tmp_path):
    path = tmp_path / "rollouts.parquet"
    write_whole({path: writer(rollouts, path)})
    content = path.read_bytes()
    for position in range(4, len(content), max(1, len(content) // 60)):
        path.write_bytes(
            content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        )
        try:
            table = read_table(path, list(rollouts.columns))
        except (StudyError, UnicodeDecodeError):
            continue
        assert table.to_numpy().tolist() == rollouts.to_numpy().tolist()


def test_rollouts_without_their_labels_are_refused(records, rollouts):
    labels = label_rollouts(rollouts, problems_of(records))
    with pytest.raises(StudyError, match="do not match"):
        count_rollouts(rollouts, labels.iloc[1:], records)


@pytest.mark.parametrize("n", [6, 9, 12])
def test_a_subset_is_stratified_and_in_order(records, n):
    subset = stratified_subset(records, n)
    ids = [record["id"] for record in subset]
    assert ids == sorted(ids)
    assert len(subset) == n
    strata = [(record["type"], record["steps"]) for record in subset]
    counts = [strata.count(stratum) for stratum in set(strata)]
    assert len(counts) == 6
    assert max(counts) - min(counts) <= 1
