"""Problems and data sets that somebody names by hand, and that may be anything.

Problem.from_json trusts its argument, because data sets are verified by their hash. Here every
entry is checked, and an error says which one is wrong and what is allowed.
"""

import json
import re
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import StudyError
from workflow_scripts.task.datasets import Row, read_dataset
from workflow_scripts.task.field import Field, make_field
from workflow_scripts.task.problems import PROBLEM_TYPES, Part, Problem

_KEYS = "p, known, parts and unasked"
_LARGEST = 10_000  # texts have at most the symbols e0 .. e9999 and x0 .. x9999


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _is_index(value: object, end: int) -> bool:
    """Whether a JSON value is a whole number from 0 to end - 1. JSON's true is no number."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end


def _check_step(step: object, field: Field, name: str) -> None:
    match = re.fullmatch(r"([+*])([0-9]{1,4})", step) if isinstance(step, str) else None
    _require(match is not None, f'{name}: {step!r} is no step such as "+4" or "*3"')
    assert match is not None, "refused above"
    operation, constant = match[1], int(match[2])
    _require(constant < field.p, f"{name}: {step!r}: constants are less than p = {field.p}")
    _require(operation == "+" or constant > 0, f"{name}: {step!r} cannot be undone")


def _check_part(part: Any, field: Field, name: str) -> None:
    _require(isinstance(part, dict), f"{name} is no JSON object with type, first and steps")
    type_, first, steps = (part.get(key) for key in ("type", "first", "steps"))
    _require(type_ in PROBLEM_TYPES, f"{name}.type: {type_!r} is none of {PROBLEM_TYPES}")
    _require(_is_index(first, _LARGEST), f"{name}.first: {first!r} is no number of a variable")
    _require(isinstance(steps, list) and len(steps) > 0, f"{name}.steps is no list of steps")
    for index, step in enumerate(steps):
        _check_step(step, field, f"{name}.steps[{index}]")
    _require(first + len(steps) < _LARGEST, f"{name}.first: its variables exceed x9999")


def read_problem(value: Any) -> Problem:
    """Read a problem from the JSON value of Problem.to_json, or from that value as text.

    "unasked" may be left out. Raises ValueError with a message of one line if the value describes
    no problem.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"the text of the problem is not JSON ({error})") from None
    _require(isinstance(value, dict), f"the problem is no JSON object with {_KEYS}")
    p, known, parts = (value.get(key) for key in ("p", "known", "parts"))
    unasked = value.get("unasked", [])
    _require(_is_index(p, _LARGEST + 1), f"p: {p!r} is no prime up to {_LARGEST}")
    field = make_field(p)  # raises ValueError if p is not a prime
    _require(_is_index(known, p), f"known: {known!r} is no number from 0 to {p - 1}")
    _require(isinstance(parts, list) and len(parts) > 0, "parts is no list of parts")
    _require(isinstance(unasked, list), "unasked is no list of parts")
    for name, each in (("parts", parts), ("unasked", unasked)):
        for index, part in enumerate(each):
            _check_part(part, field, f"{name}[{index}]")
    asked, shown = (tuple(map(Part.from_json, each)) for each in (parts, unasked))
    return Problem(p, known, asked, shown)


def read_given_dataset(path: Path) -> list[Row]:
    """Read the rows of a data set that a command line names.

    Raises StudyError if the file is none, or if it was altered: read_dataset would ask to run
    snakemake, but no job of the study makes this file.
    """
    try:
        return read_dataset(path)
    except StudyError as error:
        raise StudyError(
            f"{path} is no unaltered data set: name a file that workflow_scripts.task.datasets "
            "wrote, with its first line"
        ) from error


def read_given_problems(path: Path) -> dict[int, Problem]:
    """The problems of a data set that a command line names, by id. Raises as read_given_dataset."""
    return {row["id"]: Problem.from_json(row["problem"]) for row in read_given_dataset(path)}
