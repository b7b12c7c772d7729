"""Collect an experiment: rollouts and labels of its runs, counted for each problem.

    python -m workflow_scripts.evaluate.scores --help

Writes three tables in which every row names its model, stage, condition, seed and run: scores (one
row for each run, checkpoint, evaluation and problem), training (the rollouts of RL, by step and
strategy) and sft (the validation cross-entropy).
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from workflow_scripts.evaluate.files import read_table, write_whole
from workflow_scripts.evaluate.label import KEYS
from workflow_scripts.files import StudyError, read_json, run_stage
from workflow_scripts.task.classify import LABELS
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.task.strategies import FITTING_STRATEGY

IDENTITY = ["model", "stage", "condition", "seed", "run"]


def count_rollouts(
    rollouts: pd.DataFrame, labels: pd.DataFrame, problems: list[dict]
) -> pd.DataFrame:
    """One row for each checkpoint and problem: how many rollouts, correct, of each strategy ..."""
    frame = rollouts.drop(columns=["text", "seed"]).merge(labels, on=KEYS, validate="one_to_one")
    if not len(frame) == len(rollouts) == len(labels):
        raise StudyError("rollouts and labels do not match: delete the labels and run again")
    known = pd.DataFrame(problems)[["id", "type", "steps", "parts"]].rename(
        columns={"id": "problem"}
    )
    frame = frame.merge(known, on="problem", validate="many_to_one")
    fitting = frame["strategy"].astype(str) == frame["type"].map(FITTING_STRATEGY)
    counts = {"n": 1, "correct": frame["reward"] == 1, "complete": frame["complete"]}
    counts |= {label: frame["strategy"] == label for label in LABELS}
    counts |= {"fitting": fitting, "correct_fitting": fitting & (frame["reward"] == 1)}
    counts["words"] = frame["words"]
    groups = frame[["checkpoint", "problem", "type", "steps", "parts"]]
    summed = pd.DataFrame(counts, index=frame.index).astype("int64")
    return groups.join(summed).groupby(list(groups.columns), as_index=False).sum()


def _identified(frame: pd.DataFrame, member: dict) -> pd.DataFrame:
    return frame.assign(**{key: member[key] for key in IDENTITY})[IDENTITY + list(frame.columns)]


def collect(members: list[dict]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the tables scores, training and sft of an experiment's members, see study.py.

    A member names, besides its identity, the files of its evaluations (problems, rollouts, labels),
    its rollouts.csv (an RL run) or run.json (an SFT run), and the validation split reported.
    """
    scores, training, sft = [], [], []
    for member in members:
        for evaluation, files in member["evaluations"].items():
            counted = count_rollouts(
                read_table(Path(files["rollouts"]), ["text", "reward"]),
                read_table(Path(files["labels"]), ["strategy"]),
                read_dataset(Path(files["problems"])),
            )
            counted.insert(1, "evaluation", evaluation)
            scores.append(_identified(counted, member))
        record = Path(member["record"])
        if record.suffix == ".csv":
            training.append(_identified(read_table(record, ["step"]), member))
        else:
            validation = read_json(record)["validation"]
            (measured,) = (v for name, v in validation.items() if f"-{member['split']}-" in name)
            sft.append(_identified(pd.DataFrame([measured]), member))
    return tuple(
        pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=IDENTITY)
        for frames in (scores, training, sft)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=json.loads, required=True, help="runs, as JSON")
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--sft", type=Path, required=True)
    args = parser.parse_args()
    scores, training, sft = collect(args.members)
    write_whole(
        {
            args.scores: scores.to_parquet,
            args.training: training.to_parquet,
            args.sft: lambda path: sft.to_csv(path, index=False),
        }
    )


if __name__ == "__main__":
    run_stage(main)
