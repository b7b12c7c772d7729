"""Strategy labels: classify every rollout by the text it holds.

python -m workflow_scripts.evaluate.label --help
"""

import argparse
from functools import cache
from pathlib import Path

import pandas as pd

from workflow_scripts.evaluate.files import read_table, write_whole
from workflow_scripts.files import run_stage
from workflow_scripts.task.classify import classify
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.text import count_words

KEYS = ["checkpoint", "problem", "sample"]


def label_rollouts(rollouts: pd.DataFrame, problems: dict[int, Problem]) -> pd.DataFrame:
    """Return the keys of each rollout, its strategy and its length in words."""

    @cache  # samples of one problem are often alike
    def describe(problem: int, text: str) -> tuple[str, int]:
        return classify(problems[problem], text), count_words(text)

    described = [
        describe(*rollout) for rollout in zip(rollouts["problem"], rollouts["text"], strict=True)
    ]
    strategies, words = zip(*described, strict=True)
    return rollouts[KEYS].assign(strategy=pd.Categorical(strategies), words=words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rollouts", type=Path, required=True)
    parser.add_argument("--problems", type=Path, required=True, help="validation set")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    problems = {r["id"]: Problem.from_json(r["problem"]) for r in read_dataset(args.problems)}
    labels = label_rollouts(read_table(args.rollouts, [*KEYS, "text"]), problems)
    write_whole({args.output: labels.to_parquet})


if __name__ == "__main__":
    run_stage(main)
