"""How many rewards the lenient verifier changes, in both directions."""

import sys

import pandas as pd
import pytest

from tests.task.conftest import TASK
from workflow_scripts.evaluate import lenient
from workflow_scripts.evaluate.lenient import Difference, compare_rewards
from workflow_scripts.task.datasets import make_validation, read_dataset
from workflow_scripts.task.mixes import Singles
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward


@pytest.fixture
def files(tmp_path):
    """A validation set, and for each problem five responses to it."""
    dev, rollouts = tmp_path / "dev.jsonl", tmp_path / "rollouts.parquet"
    make_validation(TASK, Singles((2, 3)), 4, dev, tmp_path / "confirm.jsonl")
    rows = []
    for record in read_dataset(dev):
        problem = Problem.from_json(record["problem"])
        right, wrong = (problem.field.names[(problem.answer + i) % problem.p] for i in (0, 1))
        for text, complete in [
            (f"ans {right}", True),
            (f"**Answer:** {right}.", True),
            (f"Answer: {right}.", False),
            (f"The answer is {wrong}, no: ans {right}", True),
            (f"Answer: {wrong}.", True),
        ]:
            reward = outcome_reward(problem, text, complete)
            row = {"problem": record["id"], "text": text, "complete": complete, "reward": reward}
            rows.append(row)
    pd.DataFrame(rows).to_parquet(rollouts)
    return rollouts, dev


def test_gained_and_lost_rewards_are_counted(files):
    rollouts, dev = files
    problems = {row["id"]: Problem.from_json(row["problem"]) for row in read_dataset(dev)}
    difference = compare_rewards(pd.read_parquet(rollouts), problems)
    assert difference == Difference(n=20, n_rewarded=8, n_gained=4, n_lost=4)


def test_the_command_says_how_many_rewards_change(files, monkeypatch, capsys):
    rollouts, dev = files
    command = ["lenient", str(rollouts), "--problems", str(dev)]
    monkeypatch.setattr(sys, "argv", command)
    lenient.main()
    assert "changes 8 of 20 rewards: 4 from 0 to 1 and 4 from 1 to 0" in capsys.readouterr().out
