"""The log of RL rollouts."""

from collections import Counter
from random import Random

import pandas as pd

from tests.task.conftest import WORD_LIMIT
from workflow_scripts.task.label import Label, label
from workflow_scripts.task.problems import PROBLEM_TYPES, draw_problem
from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.task.solutions import STRATEGIES, write_solution
from workflow_scripts.task.text import COMPACT
from workflow_scripts.train.rollout_log import RolloutLog


def make_log(n: int = 2000) -> tuple[RolloutLog, list[tuple[int, float, Label]]]:
    """A log, and (step, reward, label) of each of its rollouts: solutions, some cut or altered."""
    log, rng, added = RolloutLog(), Random(0), []
    for index in range(n):
        problem = draw_problem(rng, 11, rng.choice(PROBLEM_TYPES), rng.randrange(2, 6), 18)
        text = write_solution(COMPACT, problem, rng.choice([*STRATEGIES]), rng, WORD_LIMIT[COMPACT])
        words, complete = text.split(" "), rng.random() < 0.8
        words[rng.randrange(len(words))] = rng.choice(["e1", "x3", "+", ""])
        kept = rng.choice([len(words), len(words), rng.randrange(len(words))])
        text = rng.choice([text, " ".join(words[:kept])])
        step, reward = 1 + index % 3, outcome_reward(problem, text, complete)
        log.add(step, problem, text, complete, reward)
        added.append((step, reward, label(problem, text, complete)))
    return log, added


def test_a_log_that_was_read_back_is_the_same_and_goes_on(tmp_path):
    log, _ = make_log()
    log.write(tmp_path / "log.csv")
    again = RolloutLog()
    again.read(tmp_path / "log.csv")
    assert again.cells == log.cells
    assert list(map(repr, again.cells)) == list(map(repr, sorted(log.cells))), "the same types too"
    problem = draw_problem(Random(1), 11, "evaluation", 3, 18)
    for name, each in (("log", log), ("again", again)):
        each.add(1, problem, "ans e1", True, 0.0)
        each.write(tmp_path / name)
    assert (tmp_path / "log").read_bytes() == (tmp_path / "again").read_bytes()


def test_rollouts_are_counted_by_their_labels(tmp_path):
    log, added = make_log()
    log.write(tmp_path / "log.csv")
    frame = pd.read_csv(tmp_path / "log.csv", keep_default_na=False)
    assert frame["n"].sum() == len(added)
    expected = Counter((step, *labelled) for step, _, labelled in added)
    assert frame.groupby(["step", *Label._fields])["n"].sum().to_dict() == expected
    correct = Counter(labelled.fits for _, reward, labelled in added if reward)
    assert frame.groupby("fits")["correct"].sum().to_dict() == correct
    verified = frame[frame["mistake"] == "none"]
    assert (verified["n"] == verified["correct"]).all()
