"""Collect the outputs of an experiment's runs into one file of each kind.

    python -m workflow_scripts.evaluate.collect PLAN

- scores: counts of an evaluation's rollouts, for each run, checkpoint and problem;
- training: counts of the rollouts of RL training, for each run, step and strategy;
- sft: the validation cross-entropy of each SFT run;
- provenance: the code hashes and git commits that made the runs.

Every row of the first three has the columns of RunName, which identify the row's run.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, write_json
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.label import KEYS
from workflow_scripts.evaluate.storage import read_table, write_whole, writer
from workflow_scripts.task.classify import LABELS
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.task.solutions import FITTING_STRATEGY


@dataclass(frozen=True)
class RunName:
    """The columns that identify a run in an experiment's tables.

    condition distinguishes runs of the same model and stage, such as runs with a changed setting.
    Runs of one family start from the same SFT models, one for each seed.
    """

    model: str
    stage: str
    condition: str
    seed: int
    family: str
    run: str


@dataclass(frozen=True)
class SampledRun:
    """A run, and the files of its rollouts, labels and problems in one evaluation."""

    name: RunName
    rollouts: Path
    labels: Path
    problems: Path


@dataclass(frozen=True)
class SftValidation:
    """An SFT run, its record (run.json), and the name of the held-out set that is reported."""

    name: RunName
    record: Path
    heldout: str


@dataclass(frozen=True)
class RlTraining:
    """An RL run, and the log of its training rollouts."""

    name: RunName
    rollouts: Path


IDENTITY = [each.name for each in fields(RunName)]


def count_rollouts(
    rollouts: pd.DataFrame, labels: pd.DataFrame, problems: list[dict[str, Any]]
) -> pd.DataFrame:
    """Count rollouts: one row for each checkpoint and problem, one column for each count.

    The count `fitting` is of rollouts whose strategy fits the problem's type (forward fits
    evaluation, backward fits inversion). Raises StudyError if the rollouts and the labels have
    different keys.
    """
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


def _join(frames: list[tuple[RunName, pd.DataFrame]]) -> pd.DataFrame:
    """Concatenate the tables of runs, and add the columns of RunName to each row."""
    named = [frame.assign(**asdict(name))[[*IDENTITY, *frame.columns]] for name, frame in frames]
    return pd.concat(named, ignore_index=True) if named else pd.DataFrame(columns=IDENTITY)


def collect_scores(runs: list[SampledRun], evaluation: str) -> pd.DataFrame:
    """Count the rollouts of an evaluation, for all runs."""
    counted = [
        (
            run.name,
            count_rollouts(
                read_table(run.rollouts, ["text", "reward"]),
                read_table(run.labels, ["strategy"]),
                read_dataset(run.problems),
            ).assign(evaluation=evaluation),
        )
        for run in runs
    ]
    return _join(counted)


def collect_training(runs: list[RlTraining]) -> pd.DataFrame:
    """Concatenate the rollout logs of RL runs."""
    return _join([(run.name, read_table(run.rollouts, ["step"])) for run in runs])


def collect_sft(runs: list[SftValidation]) -> pd.DataFrame:
    """The cross-entropy of each SFT run on its held-out set."""
    measured = [(run.name, read_json(run.record)["validation"][run.heldout]) for run in runs]
    return _join([(name, pd.DataFrame([values])) for name, values in measured])


def collect_provenance(records: list[Path]) -> dict[str, dict[str, Any]]:
    """The code hash, the commits and the number of records of each stage.

    Returns {stage: {code_hash, commits, n}}. The code hash is that of the stage's first record.
    """
    stages: dict[str, dict[str, Any]] = {}
    for record in map(read_json, records):
        new = {"code_hash": record["code_hash"], "commits": [], "n": 0}
        stage = stages.setdefault(record["stage"], new)
        stage["n"] += 1
        if record["commit"] not in stage["commits"]:
            stage["commits"].append(record["commit"])
    return stages


def make_scores(runs: list[SampledRun], evaluation: str, output: Path) -> None:
    """Write the scores of an evaluation; see collect_scores."""
    write_whole({output: writer(collect_scores(runs, evaluation), output)})


def make_training(runs: list[RlTraining], output: Path) -> None:
    """Write the counts of training rollouts; see collect_training."""
    write_whole({output: writer(collect_training(runs), output)})


def make_sft(runs: list[SftValidation], output: Path) -> None:
    """Write the cross-entropies after SFT; see collect_sft."""
    write_whole({output: writer(collect_sft(runs), output)})


def make_provenance(records: list[Path], output: Path) -> None:
    """Write the code hashes and commits that made runs and rollouts; see collect_provenance."""
    write_json(output, collect_provenance(records))


if __name__ == "__main__":
    run_stage(__doc__)
