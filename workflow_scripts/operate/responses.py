"""Read a file of somebody's responses (JSON lines), and refuse what cannot be scored.

A line is an object with these fields; others are ignored:

    problem   the id of a row of a data set of this project, or a problem (Problem.to_json)
    response  the text of the response
    model     a name, to score several models side by side; by default the name of the file
    sample    the number of the sample; by default they are counted
    complete  false if the response was cut off at a token limit; by default true
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.common.errors import StudyError
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.task.strangers import read_given_problems, read_problem

_KEYS = ["model", "problem", "sample"]


@dataclass(frozen=True)
class Responses:
    """Responses and their problems.

    table has one row per response, with the columns of rollouts (see evaluate.sample) that scores
    need, and the columns model and line (its number in the file). problems has the problems by id.
    """

    table: pd.DataFrame
    problems: dict[int, Problem]


class _Ids:
    """Finds the id of the problem that a line names."""

    def __init__(self, dataset: Path | None) -> None:
        self.dataset = dataset
        self.problems = {} if dataset is None else read_given_problems(dataset)
        self._ids: dict[Problem, int] = {}

    def find(self, value: Any) -> int:
        """The id of a problem: of a data set, or the number of its first appearance in the file.

        Raises ValueError if the value names no problem.
        """
        is_id = isinstance(value, int) and not isinstance(value, bool)
        if self.dataset is None:
            if is_id:
                raise ValueError(f"problem {value} is an id: name its data set with --problems")
            problem = read_problem(value)
            self._ids.setdefault(problem, len(self._ids))
            self.problems[self._ids[problem]] = problem
            return self._ids[problem]
        if not is_id:
            raise ValueError(
                f"with --problems, problem must be the id of a row of {self.dataset}, a number"
            )
        if value not in self.problems:
            raise ValueError(f"{self.dataset} has no problem with the id {value}")
        return int(value)


def _parse(line: str, ids: _Ids, default_model: str) -> dict[str, Any]:
    """One line as a row; sample is None if the line does not state it. Raises ValueError."""
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise ValueError(f"not JSON ({error}): write one object on each line") from None
    if not isinstance(fields, dict):
        raise ValueError('not an object: write {"problem": ..., "response": "..."}')
    for name in ("problem", "response"):
        if name not in fields:
            found = ", ".join(fields) or "none"
            raise ValueError(f"no field {name!r}: needed are problem and response, found: {found}")
    model, sample = fields.get("model", default_model), fields.get("sample")
    complete = fields.get("complete", True)
    if not isinstance(fields["response"], str):
        raise ValueError("response is not a string: write the text that the model gave")
    if not isinstance(model, str) or not model.strip():
        raise ValueError("model is not a string with a name")
    if not isinstance(complete, bool):
        raise ValueError("complete is neither true nor false")
    is_number = isinstance(sample, int) and not isinstance(sample, bool) and sample >= 0
    if sample is not None and not is_number:
        raise ValueError("sample is no number from 0 on: number the samples of each problem")
    return {
        "model": model,
        "problem": ids.find(fields["problem"]),
        "sample": sample,
        "text": fields["response"],
        "complete": complete,
    }


def _number_samples(rows: list[dict[str, Any]]) -> None:
    """Count the samples of each problem and model, where the lines do not number them."""
    counts: dict[tuple[str, int], int] = {}
    for row in rows:
        key = row["model"], row["problem"]
        if row["sample"] is None:
            row["sample"] = counts.get(key, 0)
        counts[key] = counts.get(key, 0) + 1


def _refuse_repeated(path: Path, table: pd.DataFrame) -> None:
    repeated = table[table.duplicated(_KEYS)]
    if len(repeated):
        row = repeated.iloc[0]
        same = (table[_KEYS] == row[_KEYS]).all(axis=1)
        first = table.loc[same, "line"].iloc[0]
        raise StudyError(
            f"{path}, line {row['line']}: sample {row['sample']} of problem {row['problem']} and "
            f"model {row['model']} is also line {first}: number the samples of a problem, or leave "
            "out sample"
        )


def _refuse_unequal(path: Path, table: pd.DataFrame) -> None:
    """Refuse different numbers of samples: pass@k is a mean over problems with n samples each."""
    for model, of_model in table.groupby("model", sort=False):
        counts = Counter(of_model["problem"].tolist())
        most, least = counts.most_common()[0][0], counts.most_common()[-1][0]
        if counts[least] != counts[most]:
            line = of_model.loc[of_model["problem"] == least, "line"].iloc[0]
            raise StudyError(
                f"{path}, line {line}: model {model} has {counts[least]} responses to problem "
                f"{least} and {counts[most]} to problem {most}: give each problem the same number"
            )


def read_responses(path: Path, dataset: Path | None = None) -> Responses:
    """Read responses. dataset is the data set whose ids the lines name, if they name ids.

    Raises StudyError with the number of the first line that cannot be scored.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # splitlines splits inside strings
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} cannot be read ({error}): name a JSON-lines file") from None
    ids, rows = _Ids(dataset), []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append({"line": number, **_parse(line, ids, path.stem)})
        except ValueError as error:
            raise StudyError(f"{path}, line {number}: {error}") from None
    if not rows:
        raise StudyError(f"{path} has no line: write one object for each response")
    _number_samples(rows)
    table = pd.DataFrame(rows).assign(checkpoint=0, seed=0)
    _refuse_repeated(path, table)
    _refuse_unequal(path, table)
    rewards = [
        outcome_reward(ids.problems[problem], text, complete)
        for problem, text, complete in zip(
            table["problem"], table["text"], table["complete"], strict=True
        )
    ]
    return Responses(table.assign(reward=rewards), ids.problems)
