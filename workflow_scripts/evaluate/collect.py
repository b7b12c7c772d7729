"""Collect the outputs of an experiment's runs into one file of each kind.

    python -m workflow_scripts.evaluate.collect PLAN

- scores: an evaluation's counts of rollouts, or exact measures, for each run, checkpoint, problem;
- mistakes: at which line the rollouts that fit go wrong, and how, for each run and checkpoint;
- training: counts of the rollouts of RL training, for each run, step and label;
- sft: the validation cross-entropy of each SFT run;
- provenance: the code hashes and git commits that made the runs.

Every row of the first four has the columns of RunName, which identify the row's run.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, write_json
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.label import KEYS
from workflow_scripts.evaluate.storage import read_table, write_whole, writer
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.task.label import (
    DIRECTIONS,
    GUESS_AND_CHECK,
    MISTAKES,
    NO_MISTAKE,
    Label,
)
from workflow_scripts.task.solutions import STRATEGIES


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
class ExactRun:
    """A run, and the files of its exact measures and of their problems in one evaluation."""

    name: RunName
    exact: Path
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


EXACT = ("selection", "execution")  # the probabilities that evaluate.exact measures
IDENTITY = [each.name for each in fields(RunName)]


def _with_problems(frame: pd.DataFrame, problems: list[dict[str, Any]]) -> pd.DataFrame:
    """Add the type, steps and parts of its problem to each row."""
    known = pd.DataFrame(problems)[["id", "type", "steps", "parts"]].rename(
        columns={"id": "problem"}
    )
    return frame.merge(known, on="problem", validate="many_to_one")


def count_rollouts(
    rollouts: pd.DataFrame, labels: pd.DataFrame, problems: list[dict[str, Any]]
) -> pd.DataFrame:
    """Count rollouts: one row for each checkpoint and problem, one column for each count.

    The labels are described in task.label.Label. A column such as `forward` counts a direction.
    `direct_forward` counts it without guesses, `guessing` the guesses of all directions. `fitting`
    counts rollouts that fit; `verified` and the kinds of mistakes add up to it. `fitting_direction`
    counts rollouts with the fitting direction, guesses included. It is 0 for compositions, which
    have no single fitting direction. Raises StudyError if the rollouts and the labels have
    different keys.
    """
    frame = rollouts.drop(columns=["text", "seed"]).merge(labels, on=KEYS, validate="one_to_one")
    if not len(frame) == len(rollouts) == len(labels):
        raise StudyError("rollouts and labels do not match: delete the labels and run again")
    frame = _with_problems(frame, problems)
    right, guessing = frame["reward"] == 1, frame["mode"] == GUESS_AND_CHECK
    fits = {name: strategy.fits for name, strategy in STRATEGIES.items()}
    fitting_direction = frame["direction"].astype(str).map(fits) == frame["type"]
    counts = {"n": 1, "correct": right, "complete": frame["complete"]}
    for direction in DIRECTIONS:
        chosen = frame["direction"] == direction
        counts |= {direction: chosen, f"direct_{direction}": chosen & ~guessing}
    counts |= {
        "guessing": guessing,
        "fitting": frame["fits"],
        "correct_fitting": frame["fits"] & right,
        "fitting_direction": fitting_direction,
        "correct_fitting_direction": fitting_direction & right,
        "verified": frame["mistake"] == NO_MISTAKE,
    }
    for mistake in MISTAKES:
        counts[f"mistake_{mistake.replace(' ', '_')}"] = frame["mistake"] == mistake
    counts["words"] = frame["words"]
    groups = frame[["checkpoint", "problem", "type", "steps", "parts"]]
    summed = pd.DataFrame(counts, index=frame.index).astype("int64")
    return groups.join(summed).groupby(list(groups.columns), as_index=False).sum()


def count_mistakes(labels: pd.DataFrame, problems: list[dict[str, Any]]) -> pd.DataFrame:
    """Count the rollouts that fit by checkpoint, kind of problem, wrong line and mistake.

    The column n has the counts. Verified rollouts have the mistake "none" and the wrong line 0.
    """
    frame = _with_problems(labels[labels["fits"]], problems)
    keys = ["checkpoint", "type", "steps", "parts", "wrong_line", "mistake"]
    return frame.groupby(keys, as_index=False, observed=True).size().rename(columns={"size": "n"})


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
                read_table(run.labels, list(Label._fields)),
                read_dataset(run.problems),
            ).assign(evaluation=evaluation),
        )
        for run in runs
    ]
    return _join(counted)


def tabulate_exact(exact: pd.DataFrame, problems: list[dict[str, Any]]) -> pd.DataFrame:
    """One row for each checkpoint and problem, with the probabilities of selection and execution.

    exact is a table of evaluate.exact. Each probability has one column for each temperature; see
    at_temperature.
    """
    keys = ["checkpoint", "problem"]
    tables = []
    for temperature, of_one in exact.groupby("temperature", sort=False):
        logarithms = of_one.set_index(keys)[[f"log_{name}" for name in EXACT]]
        names = [at_temperature(name, cast(float, temperature)) for name in EXACT]
        # float32 is more than precise enough for probabilities, and half as large.
        tables.append(logarithms.apply(np.exp).astype("float32").set_axis(names, axis=1))
    wide = pd.concat(tables, axis=1)
    return _with_problems(wide.reset_index(), problems)


def at_temperature(measure: str, temperature: float | str) -> str:
    """The name of an exact measure at a temperature: "selection at 0.7"."""
    return f"{measure} at {temperature}"


def collect_exact(runs: list[ExactRun], evaluation: str) -> pd.DataFrame:
    """Tabulate the exact measures of an evaluation, for all runs."""
    tables = [
        (
            run.name,
            tabulate_exact(
                read_table(run.exact, ["log_selection", "log_execution"]),
                read_dataset(run.problems),
            ).assign(evaluation=evaluation),
        )
        for run in runs
    ]
    return _join(tables)


def collect_mistakes(evaluations: dict[str, list[SampledRun]]) -> pd.DataFrame:
    """Count the mistakes in the rollouts of all runs of each evaluation."""
    counted = [
        (
            run.name,
            count_mistakes(
                read_table(run.labels, list(Label._fields)), read_dataset(run.problems)
            ).assign(evaluation=evaluation),
        )
        for evaluation, runs in evaluations.items()
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


def make_exact_scores(runs: list[ExactRun], evaluation: str, output: Path) -> None:
    """Write the exact measures of an evaluation; see collect_exact."""
    write_whole({output: writer(collect_exact(runs, evaluation), output)})


def make_mistakes(evaluations: dict[str, list[SampledRun]], output: Path) -> None:
    """Write the mistakes of all evaluations of an experiment; see collect_mistakes."""
    write_whole({output: writer(collect_mistakes(evaluations), output)})


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
