"""Rollouts become labels, and labels become counts for each problem."""

import json
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pandas as pd
import pytest

from tests.task.conftest import TASK
from workflow_scripts.common.errors import StudyError
from workflow_scripts.evaluate.collect import (
    RlTraining,
    RunName,
    SampledRun,
    SftValidation,
    at_temperature,
    collect_mistakes,
    collect_provenance,
    collect_scores,
    collect_sft,
    collect_training,
    count_mistakes,
    count_rollouts,
    tabulate_exact,
)
from workflow_scripts.evaluate.curves import TRAINING_COLUMNS
from workflow_scripts.evaluate.label import label_rollouts, make_labels
from workflow_scripts.evaluate.metrics import COUNT_COLUMNS, MISTAKE_COLUMNS
from workflow_scripts.evaluate.sample import stratified_subset
from workflow_scripts.evaluate.storage import read_table, write_whole, writer
from workflow_scripts.task.datasets import draw_validation, write_dataset
from workflow_scripts.task.label import Label, label
from workflow_scripts.task.mixes import Singles
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.task.solutions import STRATEGIES, write_solution
from workflow_scripts.task.text import FORMS
from workflow_scripts.train.rollout_log import RolloutLog


@pytest.fixture(params=FORMS)
def form_name(request) -> str:
    return request.param


@pytest.fixture
def records(form_name):
    return draw_validation(replace(TASK, text=form_name), Singles((2, 3, 4)), 12)["confirm"]


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
    problems = problems_of(records)
    for row, of in zip(rollouts.itertuples(), labels.itertuples(), strict=True):
        expected = label(problems[row.problem], row.text, row.complete)
        assert Label(*(getattr(of, name) for name in Label._fields)) == expected
    assert list(labels["direction"]) == ["forward", "backward", "forward", "forward"] * len(records)
    assert (labels["words"] > 10).all()


def test_counts_add_up_for_each_problem(records, rollouts):
    labels = label_rollouts(rollouts, problems_of(records))
    counts = count_rollouts(rollouts, labels, records)
    assert set(counts) == {"checkpoint", "problem", "type", "steps", "parts", *COUNT_COLUMNS}
    assert len(counts) == len(records)
    assert (counts["checkpoint"] == 5).all()
    assert (counts[["n", "correct", "complete"]] == [4, 2, 3]).all().all()
    assert (counts[["forward", "backward", "mixed", "none"]] == [3, 1, 0, 0]).all().all()
    assert (counts["fitting"] == counts[["verified", *MISTAKE_COLUMNS]].sum(axis=1)).all()
    # On evaluation the backward solution guesses, on inversion the forward ones do.
    columns = [
        *("fitting", "correct_fitting", "fitting_direction", "correct_fitting_direction"),
        *("direct_forward", "direct_backward", "guessing"),
        *("verified", "mistake_answer", "mistake_cut_off", "mistake_lookup"),
    ]
    expected = {
        "evaluation": [3, 1, 3, 1, 3, 0, 1, 1, 1, 1, 0],
        "inversion": [1, 1, 1, 1, 0, 1, 3, 1, 0, 0, 0],
    }
    for type_, of_type in counts.groupby("type"):
        assert (of_type[columns] == expected[type_]).all().all()


def test_a_guess_in_the_fitting_direction_fits_by_the_direction_alone(records, rollouts):
    """Such a response was called fitting before labels had a mode."""
    guess = "try e1 " + rollouts["text"][0]
    guesses = rollouts.iloc[:1].assign(text=guess)
    counts = count_rollouts(guesses, label_rollouts(guesses, problems_of(records)), records)
    assert counts.loc[0, "type"] == "evaluation"
    assert counts.loc[0, ["fitting_direction", "correct_fitting_direction"]].tolist() == [1, 1]
    assert counts.loc[0, ["fitting", "correct_fitting", "verified"]].tolist() == [0, 0, 0]
    assert counts.loc[0, ["forward", "direct_forward", "guessing"]].tolist() == [1, 0, 1]


def test_mistakes_are_counted_by_the_line_where_they_stand(records, rollouts):
    labels = label_rollouts(rollouts, problems_of(records))
    mistakes = count_mistakes(labels, records).set_index(["type", "steps", "mistake"])
    for (type_, steps), n in Counter((r["type"], r["steps"]) for r in records).items():
        of_kind = mistakes.loc[type_, steps]
        expected = {"none": [0, n], "answer": [steps + 1, n], "cut off": [steps + 1, n]}
        if type_ == "inversion":
            expected = {"none": [0, n]}
        found = {name: list(row) for name, row in of_kind[["wrong_line", "n"]].iterrows()}
        assert found == expected
    counts = count_rollouts(rollouts, labels, records)
    assert mistakes["n"].sum() == counts["fitting"].sum()


def test_there_may_be_no_mistake_to_count(records, rollouts):
    labels = label_rollouts(rollouts.assign(text="", reward=0.0), problems_of(records))
    assert count_mistakes(labels, records).empty


def test_an_experiment_is_collected_with_the_names_of_its_members(records, rollouts, tmp_path):
    write_dataset(tmp_path / "problems.jsonl", {}, records)
    rollouts.to_parquet(tmp_path / "rollouts.parquet")
    label_rollouts(rollouts, problems_of(records)).to_parquet(tmp_path / "labels.parquet")
    validation = {
        "heldout-dev-FB": {"cross_entropy": 0.4, "n_tokens": 9},
        "heldout-confirm-FB": {"cross_entropy": 0.5, "n_tokens": 9},
    }
    (tmp_path / "run.json").write_text(json.dumps({"validation": validation}))
    log = RolloutLog()
    problem = problems_of(records)[rollouts["problem"][0]]
    for text, reward in zip(rollouts["text"][:3], (1.0, 1.0, 0.0), strict=True):
        log.add(1, problem, text, True, reward)
    log.write(tmp_path / "rollouts.csv")
    files = [tmp_path / name for name in ("rollouts.parquet", "labels.parquet", "problems.jsonl")]
    sft = RunName("FB", "SFT", "", 3, "FB", "FB-s3")
    rl = RunName("FB", "RL(2-5)", "", 3, "FB", "FB-s3-rl2-5")
    scores = collect_scores([SampledRun(sft, *files), SampledRun(rl, *files)], "steps")
    assert list(scores["run"].unique()) == ["FB-s3", "FB-s3-rl2-5"]
    assert (scores["evaluation"] == "steps").all()
    training = collect_training([RlTraining(rl, tmp_path / "rollouts.csv")])
    assert set(TRAINING_COLUMNS) <= set(training)
    rows = training[["stage", "step", "direction", "fits", "mistake", "wrong_line", "correct"]]
    assert rows.to_numpy().tolist() == [
        ["RL(2-5)", 1, "backward", False, "", 0, 1],
        ["RL(2-5)", 1, "forward", True, "none", 0, 1],
        ["RL(2-5)", 1, "forward", True, "answer", problem.n_steps + 1, 0],
    ]
    mistakes = collect_mistakes({"steps": [SampledRun(sft, *files), SampledRun(rl, *files)]})
    assert (mistakes["evaluation"] == "steps").all()
    fitting = scores.groupby("run")["fitting"].sum()
    assert mistakes.groupby("run")["n"].sum().to_dict() == fitting.to_dict()
    validation = collect_sft([SftValidation(sft, tmp_path / "run.json", "heldout-confirm-FB")])
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


def test_exact_measures_of_each_temperature_become_columns():
    keys = [(step, t, problem) for step in (10, 20) for t in (1.0, 0.5) for problem in (0, 1)]
    exact = pd.DataFrame(keys, columns=["checkpoint", "temperature", "problem"])
    exact = exact.assign(log_selection=np.log(0.5), log_execution=-exact["problem"].astype(float))
    problems = [{"id": i, "type": "inversion", "steps": 2 + i, "parts": 1} for i in (0, 1)]
    table = tabulate_exact(exact, problems)
    assert len(table) == 4
    assert table["steps"].tolist() == [2 + problem for problem in table["problem"]]
    for temperature in (1.0, 0.5):
        selection, execution = (
            table[at_temperature(name, temperature)] for name in ("selection", "execution")
        )
        assert selection.to_numpy() == pytest.approx(0.5)
        assert execution.to_numpy() == pytest.approx(np.exp(-table["problem"]))
