"""Collect what an experiment's runs left behind into one file, every row named by its run.

    python -m workflow_scripts.evaluate.collect PLAN

- scores: rollouts of one evaluation, counted for each run, checkpoint and problem;
- training: the rollouts of RL, by step and strategy;
- sft: the validation cross-entropy after SFT;
- provenance: which code and which commits made the runs.
"""

from pathlib import Path

import pandas as pd

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, write_json
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.label import KEYS
from workflow_scripts.evaluate.storage import read_table, write_whole, writer
from workflow_scripts.task.classify import LABELS
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.task.solutions import FITTING_STRATEGY

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


def _join(frames: list[tuple[dict, pd.DataFrame]]) -> pd.DataFrame:
    """One table of the members' tables, each row with its member's identity."""
    named = [
        frame.assign(**{key: member[key] for key in IDENTITY})[[*IDENTITY, *frame.columns]]
        for member, frame in frames
    ]
    return pd.concat(named, ignore_index=True) if named else pd.DataFrame(columns=IDENTITY)


def collect_scores(members: list[dict], evaluation: str) -> pd.DataFrame:
    """Count the rollouts of an evaluation; a member names its rollouts, labels and problems."""
    counted = [
        (
            member,
            count_rollouts(
                read_table(Path(member["rollouts"]), ["text", "reward"]),
                read_table(Path(member["labels"]), ["strategy"]),
                read_dataset(Path(member["problems"])),
            ),
        )
        for member in members
    ]
    return _join([(member, frame.assign(evaluation=evaluation)) for member, frame in counted])


def collect_training(members: list[dict]) -> pd.DataFrame:
    """Join the rollout logs of RL runs; a member names its rollouts.csv as ``training``."""
    return _join([(m, read_table(Path(m["training"]), ["step"])) for m in members])


def collect_sft(members: list[dict], split: str) -> pd.DataFrame:
    """Cross-entropy on a split of the validation problems; a member names its run.json."""
    measured = []
    for member in members:
        validation = read_json(Path(member["record"]))["validation"]
        (values,) = (v for name, v in validation.items() if f"-{split}-" in name)
        measured.append((member, pd.DataFrame([values])))
    return _join(measured)


def collect_provenance(records: list[Path]) -> dict[str, dict]:
    """Code hash, commits and number of records of each stage: {stage: {code_hash, commits, n}}."""
    stages: dict[str, dict] = {}
    for record in map(read_json, records):
        new = {"code_hash": record["code_hash"], "commits": [], "n": 0}
        stage = stages.setdefault(record["stage"], new)
        stage["n"] += 1
        if record["commit"] not in stage["commits"]:
            stage["commits"].append(record["commit"])
    return stages


def make_scores(members: list[dict], evaluation: str, output: Path) -> None:
    """Write the scores of an evaluation; see collect_scores."""
    write_whole({output: writer(collect_scores(members, evaluation), output)})


def make_training(members: list[dict], output: Path) -> None:
    """Write the rollouts of RL; see collect_training."""
    write_whole({output: writer(collect_training(members), output)})


def make_sft(members: list[dict], split: str, output: Path) -> None:
    """Write the cross-entropies after SFT; see collect_sft."""
    write_whole({output: writer(collect_sft(members, split), output)})


def make_provenance(records: list[Path], output: Path) -> None:
    """Write what made the runs and rollouts that have these records."""
    write_json(output, collect_provenance(records))


if __name__ == "__main__":
    run_stage(__doc__)
