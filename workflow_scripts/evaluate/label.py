"""Label the text of every rollout (see task.label), and recompute its reward as a check.

python -m workflow_scripts.evaluate.label PLAN
"""

from functools import cache
from pathlib import Path

import pandas as pd

from workflow_scripts.common.files import damaged
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.storage import read_table, write_whole, writer
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.task.label import (
    DIRECTIONS,
    MISTAKES,
    MODES,
    NO_MISTAKE,
    NOT_JUDGED,
    Label,
    label,
)
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.task.text import count_words

KEYS = ["checkpoint", "problem", "sample"]
# The values that a field of Label can have, in the order of the categories in the file.
_CATEGORIES = {
    "direction": DIRECTIONS,
    "mode": MODES,
    "mistake": (NOT_JUDGED, NO_MISTAKE, *MISTAKES),
}


def label_rollouts(rollouts: pd.DataFrame, problems: dict[int, Problem]) -> pd.DataFrame:
    """Return one row per rollout: its keys (KEYS), the fields of its Label, its length in words.

    problems has the problems by id. Raises ValueError if the recorded reward of a rollout differs
    from the reward computed from its text.
    """

    @cache  # many samples of one problem have the same text, and labelling a text is slow
    def describe(problem: int, text: str, complete: bool) -> tuple[Label, int, float]:
        known = problems[problem]
        labelled = label(known, text, complete)
        return labelled, count_words(text), outcome_reward(known, text, complete)

    columns = (rollouts[name] for name in ("problem", "text", "complete"))
    described = [describe(*rollout) for rollout in zip(*columns, strict=True)]
    labels, words, rewards = zip(*described, strict=True)
    wrong = rollouts.loc[rollouts["reward"].to_numpy() != rewards, KEYS]
    if len(wrong):
        first = ", ".join(f"{key} {value}" for key, value in wrong.iloc[0].items())
        raise ValueError(f"the reward of {first} is not that of its text")
    fields = pd.DataFrame(labels, columns=Label._fields, index=rollouts.index)
    for name, categories in _CATEGORIES.items():
        fields[name] = pd.Categorical(fields[name], categories)
    return rollouts[KEYS].join(fields).assign(words=words)


def make_labels(rollouts: Path, problems: Path, output: Path) -> None:
    """Label the rollouts of a run in an evaluation. Raises StudyError if they are damaged."""
    known = {r["id"]: Problem.from_json(r["problem"]) for r in read_dataset(problems)}
    try:
        columns = [*KEYS, "text", "complete", "reward"]
        labels = label_rollouts(read_table(rollouts, columns), known)
    except (KeyError, ValueError) as error:
        raise damaged(rollouts, error) from None
    write_whole({output: writer(labels, output)})


if __name__ == "__main__":
    run_stage(__doc__)
