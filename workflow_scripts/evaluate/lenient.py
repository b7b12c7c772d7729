"""How many rewards of rollouts the lenient verifier (task.verify) would change.

    python -m workflow_scripts.evaluate.lenient ROLLOUTS.parquet ... --problems PROBLEMS.jsonl

ROLLOUTS are files of evaluate.sample, PROBLEMS the validation set that they were sampled on. No
other stage uses this module: the study's rewards and labels are those of the strict reward.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import run_program
from workflow_scripts.evaluate.storage import read_table
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.strangers import read_given_problems
from workflow_scripts.task.verify import lenient_reward


@dataclass(frozen=True)
class Difference:
    """Numbers of rollouts: all, rewarded by the strict reward, and those whose reward changes."""

    n: int
    n_rewarded: int
    n_gained: int  # rewarded by the lenient verifier alone
    n_lost: int  # rewarded by the strict reward alone

    def __str__(self) -> str:
        lenient = self.n_rewarded + self.n_gained - self.n_lost
        return (
            f"the lenient verifier changes {self.n_gained + self.n_lost} of {self.n} rewards: "
            f"{self.n_gained} from 0 to 1 and {self.n_lost} from 1 to 0; "
            f"mean {self.n_rewarded / self.n:.4f} becomes {lenient / self.n:.4f}"
        )


def compare_rewards(rollouts: pd.DataFrame, problems: dict[int, Problem]) -> Difference:
    """Compare the rewards of rollouts with those that the lenient verifier gives.

    rollouts has the columns problem (a key of problems), text, complete and reward.
    """
    columns = (rollouts[name] for name in ("problem", "text", "complete"))
    lenient = pd.Series(
        [
            lenient_reward(problems[problem], text, complete)
            for problem, text, complete in zip(*columns, strict=True)
        ],
        rollouts.index,
    )
    strict = rollouts["reward"]
    return Difference(
        n=len(rollouts),
        n_rewarded=int((strict == 1).sum()),
        n_gained=int((lenient > strict).sum()),
        n_lost=int((lenient < strict).sum()),
    )


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rollouts", nargs="+", type=Path)
    parser.add_argument("--problems", type=Path, required=True)
    arguments = parser.parse_args()
    problems = read_given_problems(arguments.problems)
    for path in arguments.rollouts:
        rollouts = read_table(path, ["problem", "text", "complete", "reward"])
        unknown = set(rollouts["problem"]) - set(problems)
        if unknown:
            raise StudyError(
                f"{path}: problem {min(unknown)} is not in {arguments.problems}: name the "
                "validation set that the rollouts were sampled on"
            )
        print(f"{path}: {compare_rewards(rollouts, problems)}")


if __name__ == "__main__":
    run_program(main)
