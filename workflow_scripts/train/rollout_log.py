"""The log of RL rollouts (sampled responses): per step, numbers of responses by kind and result."""

import csv
from collections import defaultdict
from pathlib import Path

from workflow_scripts.common.files import atomic_path
from workflow_scripts.task.label import Label, label
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.text import count_words

KEYS = ("step", "type", "steps", "parts", *Label._fields)
COUNTS = ("n", "correct", "complete", "words")  # numbers of rollouts, and their words in total
Cell = tuple[int, str, int, int, Label]


class RolloutLog:
    """Counts rollouts by RL step, problem type, numbers of steps and parts, and label."""

    def __init__(self) -> None:
        self.cells: dict[Cell, list[int]] = defaultdict(lambda: [0] * len(COUNTS))

    def add(
        self, step: int, problem: Problem, response: str, complete: bool, reward: float
    ) -> None:
        """Count one rollout. step is the RL step, counted from 1."""
        labelled = label(problem, response, complete)
        cell = self.cells[step, problem.type, problem.n_steps, len(problem.parts), labelled]
        for i, value in enumerate((1, int(reward), int(complete), count_words(response))):
            cell[i] += value

    def read(self, path: Path) -> None:
        """Restore the log from a file that RolloutLog.write wrote."""
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                labelled = Label(
                    direction=row["direction"],
                    mode=row["mode"],
                    fits=row["fits"] == "True",
                    wrong_line=int(row["wrong_line"]),
                    mistake=row["mistake"],
                )
                sizes = int(row["steps"]), int(row["parts"])
                cell = (int(row["step"]), row["type"], *sizes, labelled)
                self.cells[cell] = [int(row[name]) for name in COUNTS]

    def write(self, path: Path) -> None:
        """Write the log as CSV, sorted by KEYS."""
        with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(KEYS + COUNTS)
            for cell in sorted(self.cells):
                *keys, labelled = cell
                writer.writerow([*keys, *labelled, *self.cells[cell]])
