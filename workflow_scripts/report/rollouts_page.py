"""The page of rollouts: one HTML file in which readers filter and read a sample of responses.

This module has the content of the page as plain values. The template rollouts.html.j2 holds them as
JSON, and the program rollouts.js shows them. `operate.rollouts` collects the content.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from markupsafe import Markup

from workflow_scripts.report.response_lines import MARKS, MISTAKE_NAMES, MarkedLine
from workflow_scripts.report.template import fill
from workflow_scripts.task.label import (
    DIRECTIONS,
    GUESS_AND_CHECK,
    MODES,
    NO_MISTAKE,
    NOT_JUDGED,
    Label,
)


class ShownProblem(NamedTuple):
    """A problem and its prompt. Its kind is its type, number of steps and number of parts."""

    type: str
    steps: int
    parts: int
    prompt: str


class ShownResponse(NamedTuple):
    """A response with its label. problem is the index of its problem in Rollouts.problems."""

    problem: int
    lines: list[MarkedLine]
    is_right: bool
    label: Label


@dataclass(frozen=True)
class Stage:
    """A run as a stage of a lineage. name is that of the stage in tables: SFT, RL(6-9)."""

    name: str
    run: str
    rl_steps: int


@dataclass(frozen=True)
class Lineage:
    """An SFT run and the RL runs that start from it, with their names in an experiment's tables."""

    experiment: str
    model: str
    condition: str
    seed: int
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Rollouts:
    """The content of the page.

    drawn says how the responses were drawn. titles has the title of each experiment of which there
    are responses, evaluations the evaluations that sampled them, and lineages the runs. responses
    has the responses of each run. report is the relative path to the report.
    """

    tier: str
    drawn: str
    titles: dict[str, str]
    evaluations: Sequence[str]
    lineages: Sequence[Lineage]
    problems: Sequence[ShownProblem]
    responses: dict[str, list[ShownResponse]]
    report: str

    @property
    def n_responses(self) -> int:
        """The number of responses on the page."""
        return sum(map(len, self.responses.values()))


# How readers see the values of labels.
_MODE_NAMES = {GUESS_AND_CHECK: "guess and check"}
_MISTAKES = {NO_MISTAKE: "no mistake (verified)", **MISTAKE_NAMES, NOT_JUDGED: "not judged"}


def to_data(rollouts: Rollouts) -> dict[str, Any]:
    """The content as rollouts.js reads it.

    A response is an array: its problem, its lines, whether it is right, its direction, its mode,
    whether it fits, its mistake. Labels are numbers: places in the lists of names. A line is a text
    whose first letter is its mark: a for the first of marks, b for the second, and so on.
    """
    mistakes = list(_MISTAKES)
    return {
        "experiments": rollouts.titles,
        "marks": MARKS,
        "directions": DIRECTIONS,
        "modes": [_MODE_NAMES.get(mode, mode) for mode in MODES],
        "mistakes": list(_MISTAKES.values()),
        "lineages": [
            [
                each.experiment,
                each.model,
                each.condition,
                each.seed,
                [[stage.name, stage.run, stage.rl_steps] for stage in each.stages],
            ]
            for each in rollouts.lineages
        ],
        "problems": rollouts.problems,
        "responses": {
            run: [
                [
                    response.problem,
                    [_letter(line.mark) + line.text for line in response.lines],
                    int(response.is_right),
                    DIRECTIONS.index(response.label.direction),
                    MODES.index(response.label.mode),
                    int(response.label.fits),
                    mistakes.index(response.label.mistake),
                ]
                for response in responses
            ]
            for run, responses in rollouts.responses.items()
        },
    }


def _letter(mark: str) -> str:
    return chr(ord("a") + MARKS.index(mark))


def render_rollouts(rollouts: Rollouts) -> str:
    """The page as HTML."""
    text = json.dumps(to_data(rollouts), separators=(",", ":"), ensure_ascii=False)
    data = Markup(text.replace("<", "\\u003c"))  # JSON inside a script element
    return fill("rollouts.html.j2", rollouts=rollouts, data=data)
