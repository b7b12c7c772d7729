"""Strategy labels: classify every rollout by the text it holds.

python -m workflow_scripts.evaluate.label --help
"""

import argparse
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workflow_scripts.evaluate.rollouts import read_table
from workflow_scripts.files import atomic_path, run_stage
from workflow_scripts.task.classify import classify
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.text import count_words


def label_rollouts(rollouts: pa.Table, problems: dict[int, Problem]) -> pa.Table:
    """Return checkpoint, problem and sample of each rollout, its strategy and its words."""
    # Samples of one problem are often alike.
    label = cache(lambda problem, text: (classify(problems[problem], text), count_words(text)))
    pairs = zip(rollouts["problem"].to_pylist(), rollouts["text"].to_pylist(), strict=True)
    strategies, words = zip(*(label(*pair) for pair in pairs), strict=True)
    labels = rollouts.select(["checkpoint", "problem", "sample"])
    labels = labels.append_column("strategy", pa.array(strategies).dictionary_encode())
    return labels.append_column("words", pa.array(words))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rollouts", type=Path, required=True)
    parser.add_argument("--problems", type=Path, required=True, help="validation set")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    problems = {r["id"]: Problem.from_json(r["problem"]) for r in read_dataset(args.problems)}
    labels = label_rollouts(read_table(args.rollouts), problems)
    with atomic_path(args.output) as temporary:
        pq.write_table(labels, temporary)


if __name__ == "__main__":
    run_stage(main)
