"""What a data set holds: which problems, in which shares, solved by which strategy.

A single problem has one part; a composition has several. In JSON and in the seeds of the random
numbers a mix stands as its fields.
"""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Singles:
    """Single problems: each number of steps with each type."""

    steps: tuple[int, ...]


@dataclass(frozen=True)
class SolvedSingles:
    """Single problems, each solved forward or backward, whatever its type."""

    backward_share: float
    steps: tuple[int, ...]


@dataclass(frozen=True)
class PromptSingles:
    """Single problems of which some share are evaluation, the others inversion."""

    steps: tuple[int, ...]
    evaluation_share: float


@dataclass(frozen=True)
class Compositions:
    """Problems of several parts, of so many steps each. Every part is solved by what fits it."""

    parts: tuple[int, ...]
    part_steps: tuple[int, ...]


ValidationMix = Singles | Compositions
SftMix = SolvedSingles | Compositions
PromptMix = PromptSingles | Compositions


def to_json(mix: ValidationMix | SftMix | PromptMix) -> dict[str, Any]:
    """The fields of a mix, with lists."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(mix).items()}
