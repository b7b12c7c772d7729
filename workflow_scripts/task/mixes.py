"""Mixes: which problems a data set holds, in which shares, and solved by which strategy.

A problem consists of parts, each of type evaluation or inversion (see task.problems). A single
problem has one part, a composition has several. In JSON, and when a random seed is derived from it,
a mix is written as a mapping of its fields.
"""

from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from workflow_scripts.task.solutions import BACKWARD, FORWARD


@dataclass(frozen=True)
class Singles:
    """Single problems of a validation set: every type with every number of steps in steps."""

    steps: tuple[int, ...]


@dataclass(frozen=True)
class SolvedSingles:
    """Single problems with solutions, for SFT.

    Whatever its type, a problem is solved backward with probability backward_share, else forward.
    """

    backward_share: float
    steps: tuple[int, ...]

    def draw_strategy(self, rng: Random) -> str:
        """Draw the strategy of an example."""
        return BACKWARD if rng.random() < self.backward_share else FORWARD


@dataclass(frozen=True)
class PromptSingles:
    """Single problems as RL prompts.

    evaluation_share is the share of evaluation problems. All others are inversion problems.
    """

    steps: tuple[int, ...]
    evaluation_share: float


@dataclass(frozen=True)
class Compositions:
    """Problems made of parts. Solutions solve every part by the strategy that fits its type.

    parts lists the possible numbers of parts, part_steps the possible numbers of steps of a part.
    """

    parts: tuple[int, ...]
    part_steps: tuple[int, ...]


ValidationMix = Singles | Compositions
SftMix = SolvedSingles | Compositions
PromptMix = PromptSingles | Compositions


def to_json(mix: ValidationMix | SftMix | PromptMix) -> dict[str, Any]:
    """The fields of a mix as a JSON value: tuples become lists."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(mix).items()}
