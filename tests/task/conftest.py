"""Examples that several test files share."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.conftest import TASK
from workflow_scripts.task.datasets import draw_sft
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.text import COMPACT, FORMS, NATURAL, Form

# Those of the tiers: as many guesses fit into one as into the other.
WORD_LIMIT = {COMPACT: 81, NATURAL: 120}
MIX = {"steps": [2, 3, 4, 5], "backward_share": 0.5}


class Example(NamedTuple):
    """A record of the SFT data, as a reader of the file has it."""

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
    task = {**TASK, "text": text, "response_words": WORD_LIMIT[form]}
    for record in draw_sft(task, MIX, n, seed, taken=set()):
        problem = Problem.from_json(record["problem"])
        yield Example(
            record["type"], record["steps"], record["strategy"], problem, record["response"]
        )


@pytest.fixture(scope="session")
def sft_mix(form) -> list[Example]:
    return list(draw_examples(form, 100_000, seed=0))


@pytest.fixture(scope="session")
def draw_sft_mix():
    return draw_examples
