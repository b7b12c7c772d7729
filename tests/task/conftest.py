"""Examples that several test files share."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest

from workflow_scripts.task.datasets import draw_sft
from workflow_scripts.task.mixes import SolvedSingles
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.task import Task
from workflow_scripts.task.text import COMPACT, FORMS, NATURAL, Form

TASK = Task(
    field_size=11,
    n_variables=18,
    field_map="hidden",
    text="compact",
    response_words=81,
    asks="last",
)
# Those of the tiers: as many guesses fit into one as into the other.
WORD_LIMIT = {COMPACT: 81, NATURAL: 120}
MIX = SolvedSingles(backward_share=0.5, steps=(2, 3, 4, 5))


class Example(NamedTuple):
    """An example of the SFT data, as a reader of the file has it."""

    type: str
    n_steps: int
    strategy: str
    problem: Problem
    solution: str


@pytest.fixture(scope="session", params=FORMS)
def form(request) -> Form:
    return FORMS[request.param]


def draw_examples(form: Form, n: int, seed: int) -> Iterator[Example]:
    """n examples of FB: both types, 2-5 steps and both strategies in equal shares."""
    (text,) = (name for name in FORMS if FORMS[name] is form)
    task = replace(TASK, text=text, response_words=WORD_LIMIT[form])
    for row in draw_sft(task, MIX, n, seed, taken=set()):
        problem = Problem.from_json(row["problem"])
        yield Example(row["type"], row["steps"], row["strategy"], problem, row["response"])


@pytest.fixture(scope="session")
def sft_mix(form) -> list[Example]:
    return list(draw_examples(form, 100_000, seed=0))


@pytest.fixture(scope="session")
def draw_sft_mix():
    return draw_examples
