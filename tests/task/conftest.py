"""Examples that several test files share."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from workflow_scripts.task.datasets import draw_sft
from workflow_scripts.task.problems import Problem

TASK = {
    "field_size": 11,
    "n_variables": 18,
    "field_map": "hidden",
    "response_words": 81,
    "asks": "last",
}
MIX = {"steps": [2, 3, 4, 5], "backward_share": 0.5}


class Example(NamedTuple):
    """A record of the SFT data, as a reader of the file has it."""

    type: str
    n_steps: int
    strategy: str
    problem: Problem
    solution: str


def draw_examples(n: int, seed: int) -> Iterator[Example]:
    """n examples of FB: both types, 2-5 steps and both strategies in equal shares."""
    for record in draw_sft(TASK, MIX, n, seed, taken=set()):
        problem = Problem.from_json(record["problem"])
        yield Example(
            record["type"], record["steps"], record["strategy"], problem, record["response"]
        )


@pytest.fixture(scope="session")
def sft_mix() -> list[Example]:
    return list(draw_examples(100_000, seed=0))


@pytest.fixture(scope="session")
def draw_sft_mix():
    return draw_examples
