"""Responses of strangers are scored as the study scores its own, or refused with a line."""

import json
import sys
from random import Random

import pandas as pd
import pytest

from tests.task.conftest import TASK
from workflow_scripts.common.errors import StudyError
from workflow_scripts.evaluate.collect import count_rollouts
from workflow_scripts.evaluate.label import label_rollouts
from workflow_scripts.evaluate.metrics import COUNT_COLUMNS
from workflow_scripts.operate import score as program
from workflow_scripts.operate.responses import read_responses
from workflow_scripts.operate.score import count_responses, score
from workflow_scripts.task.datasets import make_validation, read_dataset
from workflow_scripts.task.mixes import Compositions, Singles
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.task.solutions import STRATEGIES, write_fitting_solution, write_solution
from workflow_scripts.task.text import COMPACT

N_SAMPLES = 4


@pytest.fixture
def problems(tmp_path):
    path = tmp_path / "confirm.jsonl"
    make_validation(TASK, Singles((2, 3)), 12, tmp_path / "dev.jsonl", path)
    return path


@pytest.fixture
def rollouts(problems):
    """Forward and backward solutions, some with a wrong answer, some cut off."""
    rng, rows = Random(0), []
    for record in read_dataset(problems):
        problem = Problem.from_json(record["problem"])
        for sample in range(N_SAMPLES):
            text = write_solution(COMPACT, problem, rng.choice([*STRATEGIES]), rng, 81)
            text += rng.choice(("", "", "0", " ans"))
            row = {"problem": record["id"], "sample": sample, "text": text}
            rows.append({"checkpoint": 0, **row, "complete": rng.random() < 0.8, "seed": 0})
    frame = pd.DataFrame(rows)
    known = {row["id"]: Problem.from_json(row["problem"]) for row in read_dataset(problems)}
    columns = zip(frame["problem"], frame["text"], frame["complete"], strict=True)
    return frame.assign(reward=[outcome_reward(known[p], *rest) for p, *rest in columns])


def write(path, lines: list[dict]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def responses(rollouts, tmp_path):
    lines = rollouts[["problem", "text", "complete"]].rename(columns={"text": "response"})
    write(tmp_path / "mine.jsonl", lines.to_dict("records"))
    return tmp_path / "mine.jsonl"


def test_the_counts_are_those_of_the_study(problems, rollouts, responses):
    records = read_dataset(problems)
    known = {row["id"]: Problem.from_json(row["problem"]) for row in records}
    expected = count_rollouts(rollouts, label_rollouts(rollouts, known), records)
    found, _ = count_responses(read_responses(responses, problems))
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_dtype=False)
    assert expected["correct"].between(1, N_SAMPLES - 1).any()


def test_problems_may_stand_in_the_lines(problems, responses):
    records = read_dataset(problems)
    lines = [json.loads(line) for line in responses.read_text().splitlines()]
    for index, line in enumerate(lines):
        value = records[line["problem"]]["problem"]
        line["problem"] = json.dumps(value) if index % 2 else value
    by_id, _ = count_responses(read_responses(responses, problems))
    write(responses, lines)
    whole, _ = count_responses(read_responses(responses))
    pd.testing.assert_frame_equal(whole, by_id)


def test_the_page_has_every_table_for_every_model(problems, responses, tmp_path):
    lines = [json.loads(line) for line in responses.read_text().splitlines()]
    write(responses, [{**line, "model": model} for line in lines for model in ("one", "two")])
    page = score(read_responses(responses, problems), "Scores", tmp_path / "scores")
    sections = page.split("\n## ")
    names = [section.partition("\n")[0] for section in sections[1:]]
    assert [name.split(" (")[0] for name in names] == [
        "pass@1",
        "pass@k",
        "Strategies",
        "First mistakes",
    ]
    for section, n_rows in zip(sections[1:], (3, 3, 3, 3), strict=True):
        assert section.count("| one ") == section.count("| two ") == n_rows
    assert "k = 4" in sections[2]
    assert "guess and check" in sections[3]
    assert (tmp_path / "scores/scores.md").read_text() == page
    estimates = pd.read_csv(tmp_path / "scores/estimates.csv")
    first = estimates[(estimates["measure"] == "pass@1") & (estimates["model"] == "one")].iloc[0]
    cell = f"{first['value']:.3f} [{first['ci_low']:.3f}, {first['ci_high']:.3f}]"
    assert cell in sections[1]


def test_every_response_has_its_label_in_the_order_of_the_file(problems, responses, tmp_path):
    lines = [json.loads(line) for line in responses.read_text().splitlines()]
    write(responses, [{**line, "model": m} for line in lines for m in ("one", "two")])
    score(read_responses(responses, problems), "Scores", tmp_path / "scores")
    labels = pd.read_csv(tmp_path / "scores/labels.csv")
    assert list(labels["line"]) == list(range(1, 2 * len(lines) + 1))
    assert list(labels["model"]) == ["one", "two"] * len(lines)
    assert set(COUNT_COLUMNS[3:5]) <= set(labels["direction"])


def test_compositions_are_scored_by_their_number_of_parts(tmp_path):
    path = tmp_path / "confirm.jsonl"
    make_validation(TASK, Compositions((1, 2), (2,)), 8, tmp_path / "dev.jsonl", path)
    lines = [
        {
            "problem": row["problem"],
            "response": write_fitting_solution(COMPACT, Problem.from_json(row["problem"])),
        }
        for row in read_dataset(path)
    ]
    write(tmp_path / "mine.jsonl", lines)
    page = score(read_responses(tmp_path / "mine.jsonl"), "Scores", tmp_path / "scores")
    assert "parts" in page
    assert page.count("1.000") > 3


RIGHT = {"problem": 0, "response": "ans e4"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["oops"], r"line 1: not JSON"),
        (["[]"], r"line 1: not an object"),
        ([RIGHT, {"problem": 0, "respones": "ans e4"}], r"line 2: no field 'response'.*respones"),
        ([{**RIGHT, "response": None}], "line 1: response is not a string"),
        ([{**RIGHT, "problem": 99}], r"line 1: .*confirm\.jsonl has no problem with the id 99"),
        ([{**RIGHT, "problem": "0"}], "line 1: with --problems, problem must be the id"),
        ([{**RIGHT, "model": 3}], "line 1: model is not a string"),
        ([{**RIGHT, "complete": 1}], "line 1: complete is neither true nor false"),
        ([{**RIGHT, "sample": -1}], "line 1: sample is no number"),
        ([{**RIGHT, "sample": 1}] * 2, "line 2: sample 1 of problem 0 .* is also line 1"),
        (
            [RIGHT, RIGHT, {**RIGHT, "problem": 1}],
            "line 3: model mine has 1 responses",
        ),
        ([], "has no line"),
    ],
)
def test_a_line_that_cannot_be_scored_is_named(problems, tmp_path, lines, message):
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (tmp_path / "mine.jsonl").write_text("\n".join(texts))
    with pytest.raises(StudyError, match=message) as refused:
        read_responses(tmp_path / "mine.jsonl", problems)
    assert "\n" not in str(refused.value)


def test_an_id_without_its_data_set_is_refused(tmp_path):
    write(tmp_path / "mine.jsonl", [RIGHT])
    with pytest.raises(StudyError, match="line 1: problem 0 is an id: name its data set"):
        read_responses(tmp_path / "mine.jsonl")


def test_the_command_prints_what_it_writes(problems, responses, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "scores"
    arguments = [str(responses), "--problems", str(problems), "--output", str(folder)]
    monkeypatch.setattr(sys, "argv", ["score", *arguments])
    program.main()
    assert capsys.readouterr().out == (folder / "scores.md").read_text() + "\n"
